"""`watch` beside a run: what it declares is what Snakemake does, each job is shown, and it ends by itself."""

import contextlib
import os
import pty
import re
import subprocess
import sys
import threading
import time

import psutil
import pytest
import yaml
from checkout import ROOT, SMOKE, copy_workflow, list_planned_rules, run_snakemake, start_snakemake
from needs import require

from selectimprove.experiment.config import load_files
from selectimprove.experiment.jobs import list_jobs

FIELDS = ("input", "output", "log", "benchmark")


def list_planned_jobs(folder, *config_files):
    """Return what a dry run plans: {log: {"rule": name, "input": paths, ..., "threads": number}}.

    Snakemake prints the files of a job only where its rule has no message.
    """
    for file in (folder / "workflow/rules").glob("*.smk"):
        file.write_text(re.sub(r"    message:\n        .*\n", "", file.read_text()))
    arguments = ["--configfile", *config_files] if config_files else []
    process = run_snakemake(folder, "--dry-run", *arguments)
    assert process.returncode == 0, process.stdout
    jobs = {}
    for part in re.split(r"^(?:local)?rule ", process.stdout, flags=re.MULTILINE)[1:]:
        rule, _, details = part.partition(":\n")
        found = dict(re.findall(r"^ {4}(\w+): (.*)$", details, re.MULTILINE))
        if rule != "all":
            job = {name: set(found.get(name, "").split(", ")) - {""} for name in FIELDS}
            [log] = job["log"]
            jobs[log] = {**job, "rule": rule, "threads": int(found.get("threads", 1))}
    return jobs


@pytest.mark.parametrize("preset", ["tiny", "smoke", "paper", "smollm2_short"])
def test_declared_jobs_are_those_that_snakemake_plans(tmp_path, preset):
    if preset == "smollm2_short":
        require("smollm2")
    folder = copy_workflow(tmp_path)
    changes = {"disk_gb": 1, "seeds": [0, 3], "pretrain": {"threads": 2}, "execution": {"threads": 2}}
    (folder / "changes.yaml").write_text(yaml.safe_dump(changes))
    files = [f"workflow/presets/{preset}.yaml"] * (preset != "tiny") + ["changes.yaml"]
    planned = list_planned_jobs(folder, *files)
    results = f"results/{preset}"
    jobs = {f"{results}/{job.log}": job for job in list_jobs(load_files([folder / file for file in files]))}
    assert jobs.keys() == planned.keys()
    makers = {output: log for log, job in planned.items() for output in job["output"]}
    for log, job in jobs.items():
        assert job.rule == planned[log]["rule"]
        assert {f"{results}/{output}" for output in job.outputs} == planned[log]["output"]
        assert {f"{results}/{job.benchmark}"} == planned[log]["benchmark"]
        assert min(job.threads, 2) == planned[log]["threads"]
        taken = {makers[path] for path in planned[log]["input"]}
        assert {f"{results}/logs/{key}.log" for key in job.takes} == taken
        assert all(any(folder.startswith(output) for output in job.outputs) for folder in job.checkpoints)


def wait_until(condition, complaint, seconds=900):
    """Wait until the condition holds; what it returns is returned."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if found := condition():
            return found
        time.sleep(0.05)
    pytest.fail(complaint())


class Watching:
    """`watch` in a folder, on a terminal of its own or with its stdout in a pipe; what it writes is in `text`."""

    def __init__(self, folder, *config_files, on_terminal):
        here, there = pty.openpty() if on_terminal else os.pipe()
        environment = {**os.environ, "PYTHONPATH": str(folder / "workflow/src"), "TERM": "xterm", "COLUMNS": "120"}
        command = [sys.executable, "-m", "selectimprove", "watch", "--configfile", *config_files]
        self.process = subprocess.Popen(command, cwd=folder, env={**environment, "LINES": "40"}, stdout=there)
        os.close(there)
        self.text = ""
        self.reader = threading.Thread(target=self.read, args=(here,), daemon=True)
        self.reader.start()

    def read(self, here):
        """Read to the end, which is an error on a terminal whose other side is closed."""
        with contextlib.suppress(OSError):
            while piece := os.read(here, 65536):
                self.text += piece.decode(errors="replace")
        os.close(here)

    def wait_for(self, words):
        wait_until(lambda: words in self.text, lambda: f"{words!r} is not in {self.text}")

    def finish(self):
        status = self.process.wait(timeout=300)
        self.reader.join(timeout=60)
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def kill_hard(process):
    """Kill a process and all that it started, as when a machine goes down."""
    family = [process, *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        member.kill()
    process.communicate()
    psutil.wait_procs(family[1:], timeout=30)


def test_run_is_watched_through_a_hard_kill_to_its_end(tmp_path):
    """Ten jobs; the RL job is killed together with its shell, and goes on when the run is called again."""
    folder = copy_workflow(tmp_path)
    config, smoke = (yaml.safe_load((ROOT / name).read_text(encoding="utf-8")) for name in ("config.yaml", SMOKE))
    figure = {"runs": ["F_rl_6_9"], "suites": ["steps_6_9"]}
    changes = {
        "rl": {"defaults": {"updates": 40}},
        "suites": {"steps_6_9": {"checkpoints": "last"}},
        "claims": [],
        "figures": {**dict.fromkeys({**config["figures"], **smoke["figures"]}), "figure2": figure},
        "tables": dict.fromkeys({**config["tables"], **smoke["tables"]}),
    }
    (folder / "changes.yaml").write_text(yaml.safe_dump(changes))
    files, results = [SMOKE, "changes.yaml"], folder / "results/smoke"
    trained = ["pretrain/gf11_seed0", "sft/F_seed0", "rl/F_rl_6_9_seed0"]
    evaluated = [f"evaluate/{run}_seed0_steps_6_9" for run in ("F", "F_rl_6_9")]
    others = ["dataset/sft_F_seed0", "dataset/rl_6_9_seed0", "figure/figure2", "scores", "report"]
    with (
        Watching(folder, *files, on_terminal=False) as lines,
        Watching(folder, *files, on_terminal=True) as screen,
    ):
        for watching in (lines, screen):
            watching.wait_for("0 of 10 jobs done")
            watching.wait_for(f"nothing runs; to go on: snakemake --cores all --configfile {SMOKE} changes.yaml")
        assert not results.exists()
        run = start_snakemake(folder, "--configfile", *files)
        resume = results / "resume/rl/F_rl_6_9/seed0"
        wait_until(lambda: list(resume.glob("*/checkpoint-4")), lambda: f"no checkpoint; {lines.text}")
        kill_hard(run)
        log = results / "logs/rl/F_rl_6_9_seed0.log"
        assert "exit status" not in log.read_text(encoding="utf-8")
        os.utime(log, (time.time() - 300,) * 2)  # five minutes later
        for watching in (lines, screen):
            watching.wait_for("rl/F_rl_6_9_seed0 stopped at ")
        assert run_snakemake(folder, "--unlock", "--configfile", *files).returncode == 0
        again = run_snakemake(folder, "--rerun-incomplete", "--configfile", *files)
        assert again.returncode == 0, again.stdout
        assert "going on from" in log.read_text(encoding="utf-8")
        assert [watching.finish() for watching in (lines, screen)] == [0, 0]
    told = [re.sub(r"^[\d:]{8} ", "", line) for line in lines.text.splitlines()]
    assert told[-1] == "results/smoke: all 10 jobs are done"
    ended = {}
    for place, line in enumerate(told):
        if match := re.fullmatch(r"(\S+) is done, \d+ of \d+ of \w+", line):
            ended.setdefault(match[1], place)
    assert ended.keys() == {*trained, *evaluated, *others}
    for key in [*trained, *evaluated]:
        assert f"{key} runs" in told[: ended[key]]
        assert key in screen.text
    assert told.count("rl/F_rl_6_9_seed0 runs") == 2
    assert "10 of 10 jobs done" in screen.text
    assert re.search(r"rl/F_rl_6_9_seed0.*(from step \d+|step \d+/40, reward \d\.\d+)", screen.text)
    assert list_planned_rules(folder, "--configfile", *files) == {}
