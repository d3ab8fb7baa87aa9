"""What goes wrong while the workflow runs: told in one sentence, and what was made before stays."""

import re
import subprocess
import time

import psutil
import pytest
from checkout import SMOKE, copy_workflow, run_snakemake, start_snakemake

DATA = "results/smoke/data"
FIRST, SECOND = (f"{DATA}/{name}/seed0/train.jsonl" for name in ("sft_F", "sft_B"))


@pytest.fixture
def small_disk(tmp_path):
    """A copy of the workflow whose results folder is a file system of 150 kB: room for one data set, not for two."""
    checkout = copy_workflow(tmp_path / "checkout")
    (checkout / "disk.yaml").write_text("disk_gb: 1.0e-6")
    results = checkout / "results"
    results.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=150k", "tmpfs", results]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield checkout
    subprocess.run(["umount", results], check=True)


def test_full_disk_is_told_and_the_next_run_goes_on(small_disk):
    configuration = ("--configfile", SMOKE, "disk.yaml")
    assert run_snakemake(small_disk, FIRST, *configuration).returncode == 0
    made = (small_disk / FIRST).read_bytes()
    process = run_snakemake(small_disk, FIRST, SECOND, *configuration)
    assert process.returncode != 0
    assert "dataset/sft_B_seed0.log: OSError: [Errno 28] No space left on device" in process.stdout
    assert re.search(r"^results/smoke: the disk is full, \d\.\d MB are free: make room", process.stdout, re.MULTILINE)
    assert (small_disk / FIRST).read_bytes() == made
    assert not list((small_disk / SECOND).parent.glob("*"))
    subprocess.run(["mount", "-o", "remount,size=2m", small_disk / "results"], check=True)
    assert run_snakemake(small_disk, FIRST, SECOND, *configuration).returncode == 0
    assert (small_disk / SECOND).stat().st_size == pytest.approx(len(made), rel=0.1)


def wait_for_job(process, script):
    """Return the process of a job of a running Snakemake, by its script."""
    while process.poll() is None:
        for job in psutil.Process(process.pid).children(recursive=True):
            if job.name().startswith("python") and any(word.endswith(script) for word in job.cmdline()):
                return job
        time.sleep(0.05)
    raise AssertionError(process.stdout.read())


def test_second_run_in_the_folder_is_refused_and_a_killed_job_is_told(tmp_path):
    checkout = copy_workflow(tmp_path)
    (checkout / "long.yaml").write_text("pretrain: {updates: 3000}")  # so that it outlasts the second run
    configuration = ("--configfile", SMOKE, "long.yaml")
    assert run_snakemake(checkout, FIRST, *configuration).returncode == 0
    made = (checkout / FIRST).read_bytes()
    base = "results/smoke/pretrain/gf11/seed0/checkpoint"
    process = start_snakemake(checkout, base, *configuration)
    job = wait_for_job(process, "pretrain.py")
    second = run_snakemake(checkout, FIRST, base, *configuration)
    assert second.returncode != 0
    assert "Directory cannot be locked. Please make sure that no other Snakemake process" in second.stdout
    assert job.is_running()
    job.kill()
    output, _ = process.communicate()
    assert process.returncode != 0
    assert re.search(r"^results/smoke/logs/pretrain/gf11_seed0\.log: killed; memory is the usual cause: ", output, re.M)
    assert not (checkout / base).exists()
    assert (checkout / FIRST).read_bytes() == made
    assert run_snakemake(checkout, FIRST, "--dry-run", *configuration).returncode == 0


def test_training_that_sigterm_stops_is_told_by_its_own_words(tmp_path):
    """As `timeout` or a scheduler sends it: to Snakemake, to the shells of its jobs and to the jobs."""
    checkout = copy_workflow(tmp_path)
    (checkout / "long.yaml").write_text("pretrain: {updates: 3000}")
    base = checkout / "results/smoke/pretrain/gf11/seed0"
    log = checkout / "results/smoke/logs/pretrain/gf11_seed0.log"
    process = start_snakemake(
        checkout, str(base.relative_to(checkout) / "checkpoint"), "--configfile", SMOKE, "long.yaml"
    )
    job = wait_for_job(process, "pretrain.py")
    while job.is_running() and "metrics so far" not in log.read_text(encoding="utf-8"):
        time.sleep(0.1)
    for member in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
        member.terminate()
    output, _ = process.communicate()
    assert process.returncode != 0
    told = re.search(
        r"^results/smoke/logs/pretrain/gf11_seed0\.log: RuntimeError: training was stopped at step (\d+) of 3000; "
        r"run again to go on from its last checkpoint; its metrics so far are in (\S+)$",
        output,
        re.MULTILINE,
    )
    assert told, output
    steps = (checkout / told[2]).read_text(encoding="utf-8").splitlines()[1:]
    assert len(steps) == int(told[1])
    assert not list(base.glob("*"))


def test_job_whose_program_cannot_begin_is_told_by_the_reason(tmp_path):
    checkout = copy_workflow(tmp_path)
    script = checkout / "workflow/scripts/dataset.py"
    text = script.read_text(encoding="utf-8")
    for fault, reason in (("def f(", "SyntaxError: '(' was never closed"), ("import sys; sys.exit('no')", "no")):
        script.write_text(f"{fault}\n{text}", encoding="utf-8")
        process = run_snakemake(checkout, FIRST, "--configfile", SMOKE)
        assert process.returncode != 0
        assert f"\nresults/smoke/logs/dataset/sft_F_seed0.log: {reason}\n" in process.stdout
