"""What is said of jobs that failed, from the logs that they left."""

import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from selectimprove.commands import failures
from selectimprove.commands.failures import describe_failure, describe_record, list_failed, print_failures
from selectimprove.experiment.messages import STOPPING

MEMORY = (
    "killed; memory is the usual cause: run fewer jobs at once, such as --cores 1, or on a machine with more memory"
)
CUT_SHORT = "ended within a step, after SIGTERM asked for its end; run again to go on from its last checkpoint"
PROGRAMS = {
    "an error": ("raise ValueError('x.jsonl: damaged')", "ValueError: x.jsonl: damaged"),
    "an error of several lines": ("raise RuntimeError('first\\n  second\\nthird')", "RuntimeError: first"),
    "an error that goes on below": (
        "raise RuntimeError('Sizes differ:\\n\\n\\ta: 1')",
        "RuntimeError: Sizes differ: a: 1",
    ),
    "an error after an error": ("try: 1 / 0\nexcept Exception as e: raise OSError('late') from e", "OSError: late"),
    "an import that fails in another": (
        "try:\n try: raise ImportError('x.so: undefined symbol: y')\n"
        " except ImportError as e: raise ModuleNotFoundError(\"Could not import module 'A'.\") from e\n"
        "except ImportError as e: raise RuntimeError(f'Failed to import b because of (look up):\\n{e}') from e",
        "ImportError: x.so: undefined symbol: y",
    ),
    "an error as it ends": (
        "class A:\n def __del__(self): raise KeyError('late')\na = A()\nraise ValueError('first')",
        "ValueError: first",
    ),
    "lines before the error": ("print('step 1/9', flush=True); raise KeyError('a')", "KeyError: 'a'"),
    "a message": ("import sys; sys.exit('x: not found')", "x: not found"),
    "no memory": (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28)); bytes(2**30)",
        "MemoryError (out of memory: run fewer jobs at once, such as --cores 1, or smaller batches)",
    ),
    "a wrong option": (
        "import argparse; argparse.ArgumentParser('sft.py').parse_args(['--speck', 'a'])",
        "sft.py: error: unrecognized arguments: --speck a",
    ),
    "wrong syntax": ("print('step 1')\ndef f(\n", "SyntaxError: '(' was never closed"),
    "killed": (
        "import os; print('step 1/9', flush=True); os.kill(os.getpid(), 9)",
        f"{MEMORY} (last logged: step 1/9)",
    ),
    "killed after an error that it went on from": (
        "import os, sys, traceback\ntry: 1 / 0\nexcept Exception: traceback.print_exc()\n"
        "print('12:00:00 step 2/9', file=sys.stderr); os.kill(os.getpid(), 9)",
        f"{MEMORY} (last logged: 12:00:00 step 2/9)",
    ),
    "killed after the error that ended it": (
        "import atexit, os; atexit.register(os.kill, os.getpid(), 9)\nraise RuntimeError('stopped at step 3 of 9')",
        "RuntimeError: stopped at step 3 of 9 (then killed)",
    ),
    "killed in the step after which it was to stop": (
        f"import os; print('12:00:00 {STOPPING}\\n12:00:01 step 3/9', flush=True); os.kill(os.getpid(), 9)",
        f"{CUT_SHORT} (last logged: 12:00:01 step 3/9)",
    ),
    "interrupted": ("import os; os.kill(os.getpid(), 2)", "interrupted by SIGINT, as Ctrl-C sends it; run again"),
    "killed in a line": (
        "import os; print('step', end='', flush=True); os.kill(os.getpid(), 9)",
        f"{MEMORY} (last logged: step)",
    ),
    "killed at once": ("import os; os.kill(os.getpid(), 9)", f"{MEMORY} (last logged: nothing)"),
    "another signal": ("import os; os.kill(os.getpid(), 11)", "ended by signal 11 (last logged: nothing)"),
}
DETAILS = "(check log file(s) for error details)"
LAUNCH = "-m accelerate.commands.launch --multi_gpu --num_machines 1 --num_processes 2 --main_process_port 0"
LAUNCH += " --mixed_precision no --dynamo_backend no"
CHILD = """
import os
from accelerate import PartialState
state = PartialState(cpu=True)
if state.process_index == 1:
    {fault}
state.wait_for_everyone()
"""
CHILDREN = {
    "an error": (CHILD.format(fault="raise ValueError('damaged')"), "ValueError: damaged"),
    "an error before the processes meet": (
        "import nothing_of_that_name",
        "ModuleNotFoundError: .*nothing_of_that_name",
    ),
    "a wrong option": (
        "import argparse; argparse.ArgumentParser('sft.py').error('no --spec')",
        "sft.py: error: no --spec",
    ),
    "killed": (
        CHILD.format(fault="print('step 1', flush=True); os.kill(os.getpid(), 9)"),
        f"{MEMORY} (last logged: step 1)",
    ),
}
STOPPED_JOB = """
import pathlib, signal, sys, time
stopped = []
if {handled}:
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
if sys.argv[1:]:
    pathlib.Path("ready_too").touch()
    rank = 0
else:
    from accelerate import PartialState
    rank = PartialState(cpu=True).process_index
print("begun", flush=True)
pathlib.Path(f"ready{{rank}}").touch()
while not stopped:
    time.sleep(0.1)
time.sleep(1)
raise RuntimeError("training was stopped at step 3 of 9")
"""


def run(command, log, disturb=None):
    """Run a command as a rule does (see `call` in workflow/rules/common.smk) and return its log.

    disturb: a signal for all of its processes and shells, once it has made two files "ready<n>".
    """
    told = "(status=$?; printf '\\nexit status %s\\n' $status >> log; exit $status)"
    shell = f"set -euo pipefail; trap ' ' TERM; (set -x; {command}) > log 2>&1 || {told}"
    process = subprocess.Popen(["bash", "-c", shell], cwd=log.parent, stderr=subprocess.DEVNULL, start_new_session=True)
    while disturb and len(list(log.parent.glob("ready*"))) < 2 and process.poll() is None:
        time.sleep(0.05)
    if disturb:
        os.killpg(process.pid, disturb)
    assert process.wait() != 0
    log = (log.parent / "log").rename(log)
    return log.read_text(encoding="utf-8")


def write_command(program):
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(program)}"


@pytest.mark.parametrize(("program", "sentence"), PROGRAMS.values(), ids=PROGRAMS)
def test_failure_is_described_by_its_cause(tmp_path, program, sentence):
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    log = run(f"{shlex.quote(sys.executable)} program.py", tmp_path / "log.txt")
    assert log.startswith("+ ")
    assert describe_failure(log) == sentence


def test_program_that_is_not_there_is_named(tmp_path):
    assert describe_failure(run("no_python -c ''", tmp_path / "log.txt")).endswith("no_python: command not found")
    told = describe_failure(run(f"{shlex.quote(sys.executable)} nothing.py", tmp_path / "log.txt"))
    assert "can't open file" in told and "nothing.py" in told


@pytest.mark.parametrize(("program", "sentence"), CHILDREN.values(), ids=CHILDREN)
def test_failure_of_a_process_that_was_launched_is_described_by_its_own_cause(tmp_path, program, sentence):
    (tmp_path / "child.py").write_text(program, encoding="utf-8")
    log = run(f"{shlex.quote(sys.executable)} {LAUNCH} child.py", tmp_path / "log.txt")
    assert "ChildFailedError" in log
    described = describe_failure(log)
    start, _, end = sentence.partition(".*")
    assert described.startswith(start)
    assert end in described


@pytest.mark.parametrize("launch", ["", LAUNCH], ids=["alone", "launched"])
@pytest.mark.parametrize(
    ("number", "handled", "sentence"),
    [
        (signal.SIGTERM, True, "RuntimeError: training was stopped at step 3 of 9"),
        (signal.SIGTERM, False, "ended by signal 15 (last logged: begun)"),
        (signal.SIGINT, False, "interrupted by SIGINT, as Ctrl-C sends it; run again"),
    ],
)
def test_job_that_was_ended_with_its_shells_is_told_by_its_own_words(tmp_path, number, handled, sentence, launch):
    """As by `timeout`, a scheduler or Ctrl-C; the job needs a moment to end, which its shells wait for."""
    (tmp_path / "job.py").write_text(STOPPED_JOB.format(handled=handled), encoding="utf-8")
    log = run(
        f"{shlex.quote(sys.executable)} {launch} job.py {'' if launch else 'alone'}", tmp_path / "log.txt", number
    )
    assert describe_failure(log) == sentence


@pytest.mark.parametrize(
    ("of_rank_1", "code", "sentence"),
    [
        ("[rank1]: Traceback (most recent call last):\n[rank1]: ValueError: damaged\n", 1, "ValueError: damaged"),
        ("step 1\n", -9, f"{MEMORY} (last logged: step 1)"),
    ],
)
def test_process_that_lost_its_connection_is_not_blamed_for_the_one_that_failed(of_rank_1, code, sentence):
    """The launcher saw rank 0 first, which had waited for rank 1."""
    lost = "RuntimeError: [pair.cc:553] Connection closed by peer [127.0.0.1]:1"
    log = f"{of_rank_1}[rank0]: Traceback (most recent call last):\n[rank0]: {lost}\n"
    log += "Traceback (most recent call last):\ntorch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
    log += f"child.py FAILED\nFailures:\n[1]:\n  rank      : 1 (local_rank: 1)\n  exitcode  : {code} (pid: 2)\n"
    log += "Root Cause (first observed failure):\n[0]:\n  rank      : 0 (local_rank: 0)\n  exitcode  : 1 (pid: 1)\n"
    assert describe_failure(f"{log}\nexit status 1\n") == sentence


def test_torch_without_memory_is_told_as_such():
    log = "Traceback (most recent call last):\n  File x\nRuntimeError: [enforce fail at alloc_cpu.cpp:127] . "
    log += "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes.\n"
    assert "(out of memory: run fewer jobs" in describe_failure(log)


def test_log_that_was_cut_is_not_blamed_on_memory():
    log = "+ python sft.py\nTraceback (most recent call last):\n  File x\n"
    assert describe_failure(log) == "ended without an error message (last logged: File x)"
    assert describe_failure("+ python sft.py\n") == "ended without an error message (last logged: nothing)"


@pytest.mark.parametrize(
    ("record", "of_memory"),
    [
        (
            "slurmstepd: error: Detected 1 oom_kill event in StepId=4.0. Some of the step tasks have been OOM Killed.",
            True,
        ),
        ("srun: error: node1: task 0: Out Of Memory", True),
        ("slurmstepd-node1: error: StepId=4.0 exceeded memory limit (716800 > 614400), being killed", True),
        ("slurmstepd: error: *** JOB 4 ON node1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***", False),
    ],
)
def test_record_of_the_scheduler_is_told(record, of_memory):
    log = f"Building DAG of jobs...\n{record}\nsrun: error: node1: task 0: Exited with exit code 1\n"
    described = describe_record(log)
    assert described.startswith(record)
    assert ("for its memory" in described) == of_memory
    assert describe_record(log.replace(record, "Error in rule sft:")) is None


def write_error(log, jobid, more=""):
    """Return what Snakemake logs of a job that failed."""
    lines = ["[Thu Jan  1 00:00:00 2026]", "Error in rule a:", f"    jobid: {jobid}", f"    log: {log}{more} {DETAILS}"]
    return "".join(f"{line}\n" for line in lines)


def test_every_failed_job_is_told_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(write_command("raise ValueError('found')"), tmp_path / "a.log")
    told = "".join(write_error(f"{name}.log", jobid) for name, jobid in (("a", 1), ("b", 2), ("a", 1)))
    (tmp_path / "snakemake.log").write_text(f"{told}    log: c.log\n", encoding="utf-8")
    print_failures(tmp_path / "snakemake.log", tmp_path)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["a.log: ValueError: found", "b.log: ended without an error message (last logged: nothing)"]
    monkeypatch.setattr(failures, "FULL_BELOW", 1e30)
    print_failures(tmp_path / "snakemake.log", tmp_path)
    assert capsys.readouterr().err.splitlines()[2].startswith(f"{tmp_path}: the disk is full, ")


def test_scheduler_is_asked_where_a_job_left_no_word(tmp_path, monkeypatch, capsys):
    """And the log of a scheduler's own that has nothing to say is not told."""
    monkeypatch.chdir(tmp_path)
    run(write_command("raise ValueError('found')"), tmp_path / "a.log")
    (tmp_path / "b.log").write_text("+ python sft.py\nstep 1\n", encoding="utf-8")
    record = "slurmstepd: error: *** STEP 4.0 ON node1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***"
    (tmp_path / "1.log").write_text("Error in rule a:\n", encoding="utf-8")
    (tmp_path / "2.log").write_text(f"{record}\n", encoding="utf-8")
    told = "".join(
        write_error(f"{name}.log", jobid, f", {tmp_path}/{jobid}.log") for name, jobid in (("a", 1), ("b", 2))
    )
    (tmp_path / "snakemake.log").write_text(told, encoding="utf-8")
    print_failures(tmp_path / "snakemake.log", tmp_path)
    assert capsys.readouterr().err.splitlines() == ["a.log: ValueError: found", f"{tmp_path}/2.log: {record}"]


@pytest.mark.parametrize(
    ("left", "told"),
    [
        ("Traceback (most recent call last):\nRuntimeError: stopped at step 3\n", "RuntimeError: stopped at step 3"),
        (f"12:00:00 {STOPPING}\n", f"{CUT_SHORT} (last logged: 12:00:00 {STOPPING})"),
        ("Traceback (most recent call last):\nKeyError: 'a'\n12:00:00 step 3/9\n", None),
    ],
)
def test_job_that_ended_with_its_shell_is_told_beside_the_record_of_the_scheduler(
    tmp_path, monkeypatch, capsys, left, told
):
    """As where its time is over: by what it said of its own end, not by an error that it went on from."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.log").write_text(f"+ python sft.py\n{left}", encoding="utf-8")
    record = "slurmstepd: error: *** STEP 4.0 ON node1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***"
    (tmp_path / "1.log").write_text(f"{record}\n", encoding="utf-8")
    (tmp_path / "snakemake.log").write_text(write_error("a.log", 1, f", {tmp_path}/1.log"), encoding="utf-8")
    print_failures(tmp_path / "snakemake.log", tmp_path)
    expected = [f"a.log: {told}"] if told else []
    assert capsys.readouterr().err.splitlines() == [*expected, f"{tmp_path}/1.log: {record}"]


def test_job_that_succeeds_at_a_later_attempt_has_not_failed():
    finished = "[Thu Jan  1 00:00:00 2026]\nFinished jobid: 2 (Rule: a)\n1 of 2 steps (50%) done\n"
    log = write_error("a.log", 2) + write_error("b.log", 12) + finished
    assert list_failed(log) == [["b.log"]]


def test_of_a_group_the_job_that_failed_is_told(tmp_path, monkeypatch, capsys):
    """As Snakemake's log names all of its jobs, of which one was done and one never began."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.log").write_text("+ python dataset.py\n", encoding="utf-8")
    run(write_command("raise ValueError('found')"), tmp_path / "b.log")
    names = {1: "a", 2: "b", 3: "c"}
    listed = "".join(
        f"        rule dataset:\n            jobid: {jobid}\n            log: {name}.log {DETAILS}\n"
        for jobid, name in names.items()
    )
    own = "".join(write_error(f"{name}.log", jobid).replace("\n", "\n    ") for jobid, name in names.items())
    group = f"    message: failed\n    log: {tmp_path}/1.log {DETAILS}\n    jobs:\n"
    text = f"[Thu Jan  1 00:00:00 2026]\n{group}{listed}    {own}\n"
    (tmp_path / "snakemake.log").write_text(text, encoding="utf-8")
    print_failures(tmp_path / "snakemake.log", tmp_path)
    assert capsys.readouterr().err.splitlines() == ["b.log: ValueError: found"]
