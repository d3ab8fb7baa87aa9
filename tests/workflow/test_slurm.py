"""The profile for Slurm on a real Slurm of one node: the smoke preset, and what befalls jobs on a cluster."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from checkout import ROOT, SMOKE, copy_workflow, list_planned_rules, run_snakemake
from needs import require
from slurm_cluster import start_cluster

PROFILE = ["--workflow-profile", "workflow/profiles/slurm"]
FASTER = ["--latency-wait", "10", "--slurm-init-seconds-before-status-checks", "1"]
CPUS = 3


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    require("slurm")
    with start_cluster(tmp_path_factory.mktemp("slurm"), cpus=CPUS) as cluster:
        yield cluster


class Run:
    """Snakemake in `folder`, through Slurm."""

    def __init__(self, cluster, folder, *arguments):
        self.log = folder / "snakemake.log"
        environment = {**os.environ, **cluster.environment}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *PROFILE, *FASTER, *arguments],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def finish(self, seconds: float) -> int:
        """Wait for the end and return the exit status. When the executor has a fault, it tends to wait forever."""
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"not done after {seconds} s:\n{self.log.read_text()[-5000:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def list_jobs(cluster, folder):
    """Return the jobs of a run in `folder`, in the order of their submission, with the rule or group of each."""
    jobs = [job for job in cluster.list_jobs() if job.get("WorkDir") == str(folder)]
    for job in jobs:
        job["rule"] = job["Comment"].removeprefix("rule_").split("_wildcards_")[0]
    return sorted(jobs, key=lambda job: int(job["JobId"]))


def test_every_rule_asks_for_more_at_its_second_attempt(tmp_path):
    def list_resources(attempt):
        """Return memory and time of a job of each rule, which Snakemake prints of rules without a message alone."""
        planned = run_snakemake(folder, "--dry-run", "--configfile", SMOKE, "--attempt", attempt).stdout
        jobs = re.split(r"^(?:local)?rule (\w+):$", planned, flags=re.MULTILINE)
        return {
            rule: [int(re.search(rf"resources: .*\b{name}=(\d+)", job)[1]) for name in ("mem_mb", "runtime")]
            for rule, job in zip(jobs[1::2], jobs[2::2], strict=True)
            if rule != "all"
        }

    folder = copy_workflow(tmp_path)
    for file in (folder / "workflow/rules").glob("*.smk"):
        file.write_text(re.sub(r"    message:\n        .*\n", "", file.read_text()))
    first = list_resources("1")
    assert len(first) == 12
    assert list_resources("2") == {rule: [2 * memory, 2 * time] for rule, (memory, time) in first.items()}


def test_jobs_that_are_lost_run_again_with_more_memory_and_time(cluster, tmp_path):
    """One job fails, one is cancelled, one outgrows its memory, and meanwhile Slurm's controller is away."""
    shutil.copytree(ROOT / "workflow/profiles", tmp_path / "workflow/profiles")
    shutil.copy(Path(__file__).with_name("mishaps.smk"), tmp_path / "Snakefile")
    running_job = tmp_path / "running_job"
    with Run(cluster, tmp_path, "--default-resources", "slurm_account=physics", "runtime=5*attempt") as run:
        cluster.wait_until(lambda: running_job.exists() and running_job.read_text().strip(), "no job to cancel")
        states = lambda: [job["JobState"] for job in list_jobs(cluster, tmp_path)]  # noqa: E731
        cluster.wait_until(lambda: states().count("FAILED") == 2, "two jobs do not fail")
        cluster.stop("slurmctld")
        # Its clients wait 9 s for it. After that, the executor would turn to sacct, which has no accounts to read here.
        time.sleep(4)
        cluster.start("slurmctld", "-D", "-i")
        cluster.wait_until(lambda: cluster.run("squeue", "-h", check=False), "the controller is not back")
        cluster.run("scancel", running_job.read_text().strip())
        assert run.finish(seconds=300) == 0, run.log.read_text()
    jobs = list_jobs(cluster, tmp_path)
    assert {job["Account"] for job in jobs} == {"physics"}
    killed = re.search(r"StepId=(\d+)\.0 exceeded memory limit", (cluster.folder / "slurmd.log").read_text())[1]
    assert [job["rule"] for job in jobs if job["JobId"] == killed] == ["outgrows_its_memory"]
    attempts = {}
    for job in jobs:
        attempts.setdefault(job["rule"], []).append((job["JobState"], job["MinMemoryNode"], job["TimeLimit"]))
    assert attempts == {
        "fails": [("FAILED", "600M", "00:05:00"), ("COMPLETED", "1200M", "00:10:00")],
        "is_cancelled": [("CANCELLED", "600M", "00:05:00"), ("COMPLETED", "600M", "00:10:00")],
        "outgrows_its_memory": [("FAILED", "600M", "00:05:00"), ("COMPLETED", "1200M", "00:10:00")],
    }


def test_smoke_preset_goes_on_after_an_interrupt(cluster, tmp_path):
    """Every rule once; RL alone asks for a GPU, data sets share a job, and so does what is drawn from scores."""
    folder = copy_workflow(tmp_path / "smoke")
    for file in (folder / "config.yaml", folder / SMOKE):
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        for section in ("figures", "tables"):
            config[section] = {name: config[section][name] for name in {"figure3", "table1"} & config[section].keys()}
        file.write_text(yaml.safe_dump(config | {"claims": []}), encoding="utf-8")
    (folder / "changes.yaml").write_text('{"resources": {"rl": {"gpu": 1}}, "pretrain": {"threads": 1}}')
    arguments = ["--configfile", SMOKE, "changes.yaml"]
    planned = list_planned_rules(folder, *arguments)
    rl_logs = folder / "results/smoke/logs/rl"
    with Run(cluster, folder, *arguments) as run:
        cluster.wait_until(lambda: rl_logs.exists() and list(rl_logs.iterdir()), "RL does not start", seconds=900)
        run.process.send_signal(signal.SIGINT)
        assert run.finish(seconds=90) != 0
    assert "CANCELLED" in {job["JobState"] for job in list_jobs(cluster, folder)}
    cluster.wait_until(lambda: not cluster.run("squeue", "-h"), "jobs stay in the queue", seconds=60)
    with Run(cluster, folder, *arguments) as run:
        assert run.finish(seconds=1800) == 0, run.log.read_text()
    assert list_planned_rules(folder, *arguments) == {}
    done = [job for job in list_jobs(cluster, folder) if job["JobState"] == "COMPLETED"]
    counts = Counter((job["rule"], job["Partition"], job.get("TresPerJob"), job["TimeLimit"]) for job in done)
    alone = {key: count for key, count in counts.items() if key[0] in ("pretrain", "sft", "rl", "evaluate")}
    wanted = {
        ("pretrain", "cpu", None, "01:00:00"): planned["pretrain"],
        ("sft", "cpu", None, "00:30:00"): planned["sft"],
        ("rl", "gpu", "gres:gpu:1", "01:00:00"): planned["rl"],
        ("evaluate", "cpu", None, "00:30:00"): planned["evaluate"],
    }
    assert alone.keys() == wanted.keys()
    # A job that ends while the workflow is being stopped is run again, of those that ran at that moment.
    again = {key: count - wanted[key] for key, count in alone.items()}
    assert min(again.values()) >= 0
    assert sum(again.values()) <= CPUS
    others = counts.keys() - alone
    assert {key[0].split("_")[0] for key in others} == {"data", "results"}
    assert {key[1:3] for key in others} == {("cpu", None)}


def test_failed_jobs_are_told_by_their_cause(cluster, tmp_path):
    """Of a group of data sets the one that fails, and a job that Slurm kills for its memory."""
    folder = copy_workflow(tmp_path / "smoke")
    script = folder / "workflow/scripts/dataset.py"
    fault = "import sys; 'sft_B' in str(sys.argv) and sys.exit('no room for it')"
    script.write_text(f"{fault}\n{script.read_text(encoding='utf-8')}", encoding="utf-8")
    changes = {"resources": {"pretrain": {"mem_mb": 150}}, "pretrain": {"threads": 1, "updates": 3000}}
    (folder / "changes.yaml").write_text(json.dumps(changes), encoding="utf-8")
    targets = [f"results/smoke/data/{name}/seed0/train.jsonl" for name in ("sft_F", "sft_B", "sft_FB")]
    targets.append("results/smoke/pretrain/gf11/seed0/checkpoint")
    with Run(cluster, folder, *targets, "--retries", "0", "--configfile", SMOKE, "changes.yaml") as run:
        assert run.finish(seconds=300) != 0
    text = run.log.read_text(encoding="utf-8")
    told = text[text.rindex("Exiting because a job execution failed") :]
    assert re.findall(r"^results/\S+: .*", told, re.MULTILINE) == [
        "results/smoke/logs/dataset/sft_B_seed0.log: no room for it"
    ]
    assert re.search(
        r"^/\S+/slurm_logs/rule_pretrain/\S+: slurmstepd\S*: error: .* memory limit .*its memory", told, re.M
    )
