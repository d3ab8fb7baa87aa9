"""The profile for Slurm on a real Slurm of one node: the smoke preset, and what befalls jobs on a cluster."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkout import SMOKE, copy_workflow
from slurm_cluster import PROGRAMS, find_program, start_cluster

PROFILE = ["--workflow-profile", "workflow/profiles/slurm"]
# What a test can do without: waiting, and more cores than there are here.
FASTER = ["--cores", "2", "--latency-wait", "10", "--slurm-init-seconds-before-status-checks", "1"]
MISSING = [program for program in PROGRAMS if find_program(program) is None]

pytestmark = pytest.mark.skipif(
    bool(MISSING) and "CI" not in os.environ, reason=f"programs of Slurm are not installed: {', '.join(MISSING)}"
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with start_cluster(tmp_path_factory.mktemp("slurm"), cpus=3) as cluster:
        yield cluster


class Run:
    """Snakemake in `folder`, through Slurm."""

    def __init__(self, cluster, folder, *arguments):
        self.log = folder / "snakemake.log"
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, "-m", "snakemake", *PROFILE, *FASTER, *arguments]
        environment = {**os.environ, **cluster.environment}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def read_log(self) -> str:
        return self.log.read_text()[self.log_start :]

    def finish(self, seconds: float) -> int:
        """Wait for the end and return the exit status; the executor's failures are often to wait forever."""
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            pytest.fail(f"not done after {seconds} s:\n{self.read_log()[-5000:]}")


def list_jobs(cluster, folder):
    return [job for job in cluster.list_jobs() if job.get("WorkDir") == str(folder)]


def test_jobs_that_are_lost_run_again_with_more_memory_and_time(cluster, tmp_path):
    """One job fails, one is cancelled, one outgrows its memory, and meanwhile Slurm's controller is away."""
    shutil.copytree(copy_workflow(tmp_path / "copy") / "workflow/profiles", tmp_path / "workflow/profiles")
    shutil.copy(Path(__file__).with_name("mishaps.smk"), tmp_path / "Snakefile")
    run = Run(cluster, tmp_path, "--default-resources", "slurm_account=physics", "runtime=5*attempt")
    job_file = tmp_path / "running_job"
    cluster.wait_until(lambda: job_file.exists() and job_file.read_text().strip(), "the job does not start")
    cluster.wait_until(
        lambda: [job["JobState"] for job in list_jobs(cluster, tmp_path)].count("FAILED") == 2, "two jobs do not fail"
    )
    cluster.stop("slurmctld")
    time.sleep(10)
    cluster.start("slurmctld", "-D", "-i")
    cluster.wait_until(lambda: cluster.run("squeue", "-h", check=False), "the controller is not back")
    cluster.run("scancel", job_file.read_text().strip())
    assert run.finish(seconds=240) == 0, run.read_log()
    jobs = list_jobs(cluster, tmp_path)
    assert {job["Account"] for job in jobs} == {"physics"}
    killed = re.search(r"StepId=(\d+)\.0 exceeded memory limit", (cluster.folder / "slurmd.log").read_text())[1]
    assert [job["Comment"] for job in jobs if job["JobId"] == killed] == ["rule_outgrows_its_memory"]
    attempts = {}
    for job in sorted(jobs, key=lambda job: int(job["JobId"])):
        asked = (job["JobState"], job["MinMemoryNode"], job["TimeLimit"])
        attempts.setdefault(job["Comment"].removeprefix("rule_"), []).append(asked)
    assert attempts == {
        "fails": [("FAILED", "600M", "00:05:00"), ("COMPLETED", "1200M", "00:10:00")],
        "is_cancelled": [("CANCELLED", "600M", "00:05:00"), ("COMPLETED", "600M", "00:10:00")],
        "outgrows_its_memory": [("FAILED", "600M", "00:05:00"), ("COMPLETED", "1200M", "00:10:00")],
    }


def test_smoke_preset_goes_on_after_an_interrupt(cluster, tmp_path):
    """With RL on the GPU partition: RL alone asks for a GPU here."""
    folder = copy_workflow(tmp_path / "smoke")
    (folder / "gpu.yaml").write_text(json.dumps({"resources": {"rl": {"gpu": 1}}}))
    target = "results/smoke/figures/figure2.pdf"
    run = Run(cluster, folder, target, "--configfile", SMOKE, "gpu.yaml")
    rl_log = folder / "results/smoke/logs/rl"
    cluster.wait_until(lambda: rl_log.exists() and list(rl_log.iterdir()), "RL does not start", seconds=400)
    run.process.send_signal(signal.SIGINT)
    assert run.finish(seconds=60) != 0
    assert not (folder / target).exists()
    run = Run(cluster, folder, target, "--configfile", SMOKE, "gpu.yaml")
    assert run.finish(seconds=400) == 0, run.read_log()
    assert (folder / target).read_bytes().startswith(b"%PDF")
