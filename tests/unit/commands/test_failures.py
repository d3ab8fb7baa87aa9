"""What is said of jobs that failed, from the logs that they left."""

import subprocess
import sys

import pytest

from selectimprove.commands import failures
from selectimprove.commands.failures import describe_failure, print_failures

PROGRAMS = {
    "an error": ("raise ValueError('x.jsonl: damaged')", "ValueError: x.jsonl: damaged"),
    "an error of several lines": ("raise RuntimeError('first\\n  second\\nthird')", "RuntimeError: first"),
    "an error after an error": ("try: 1 / 0\nexcept Exception as e: raise OSError('late') from e", "OSError: late"),
    "lines before the error": ("print('step 1/9', flush=True); raise KeyError('a')", "KeyError: 'a'"),
    "no memory": (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28)); bytes(2**30)",
        "MemoryError (out of memory: run fewer jobs at once, such as --cores 1, or smaller batches)",
    ),
    "killed": (
        "import os; print('step 1/9', flush=True); os.kill(os.getpid(), 9)",
        "killed without an error message, by the system if memory ran out: run fewer jobs at once, such as --cores 1, "
        "or on a machine with more memory (last logged: step 1/9)",
    ),
    "killed at once": ("import os; os.kill(os.getpid(), 9)", "killed without an error message, .*nothing"),
}


def run(program, log):
    with log.open("w") as file:
        command = [sys.executable, "-c", program]
        assert subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode != 0
    return log.read_text()


@pytest.mark.parametrize(("program", "sentence"), PROGRAMS.values(), ids=PROGRAMS)
def test_failure_is_described_by_what_the_process_left(tmp_path, program, sentence):
    described = describe_failure(run(program, tmp_path / "log"))
    if ".*" in sentence:
        start, _, end = sentence.partition(".*")
        assert described.startswith(start)
        assert end in described
    else:
        assert described == sentence


def test_torch_without_memory_is_told_as_such():
    log = "Traceback (most recent call last):\n  File x\nRuntimeError: [enforce fail at alloc_cpu.cpp:127] . "
    log += "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes.\n"
    assert "(out of memory: run fewer jobs" in describe_failure(log)


def test_log_that_was_cut_in_a_traceback_has_no_error():
    assert describe_failure("Traceback (most recent call last):\n  File x\n").startswith("killed without")


def test_every_failed_job_is_told_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run("raise ValueError('found')", tmp_path / "a.log")
    told = "".join(f"    log: {name}.log (check log file(s) for error details)\n" for name in ("a", "b", "a"))
    (tmp_path / "snakemake.log").write_text(f"Error in rule a:\n{told}    log: c.log\n")
    print_failures(tmp_path / "snakemake.log", tmp_path)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "a.log: ValueError: found"
    assert lines[1].startswith("b.log: killed without an error message")
    assert len(lines) == 2
    monkeypatch.setattr(failures, "FULL_BELOW", 1e30)
    print_failures(tmp_path / "snakemake.log", tmp_path)
    assert capsys.readouterr().err.splitlines()[2].startswith(f"{tmp_path}: the disk is full, ")
