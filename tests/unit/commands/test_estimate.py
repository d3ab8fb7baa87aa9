"""How long this machine takes, from a moment of training here and the seconds of the published jobs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from configurations import PRESETS, ROOT, load
from made_jobs import make_job
from tiny_models import make_pretrain_spec

from selectimprove.__main__ import main
from selectimprove.commands import estimate
from selectimprove.commands.progress import ALIKE
from selectimprove.experiment.config import load_files
from selectimprove.experiment.jobs import STAGES, list_jobs

RESULTS = Path("results/tiny")


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """A machine with two cores, on which a log takes `measured.factor` times as long as in the published run."""

    class Machine:
        factor = 1.0

    published = estimate.read_published().rules["pretrain"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimate, "measure_log", lambda spec: Machine.factor * published.loop)
    monkeypatch.setattr(estimate, "available_cpu_count", lambda: 2)
    return Machine


def read_minutes(told: str) -> float:
    """Return the minutes that an estimate tells."""
    hours, minutes, seconds = re.search(r"in about (?:(\d+) h )?(\d+)(?::(\d+)| min) on", told).groups(0)
    return 60 * int(hours) + int(minutes) + int(seconds) / 60


def test_every_rule_was_timed_in_the_published_run():
    assert set(estimate.read_published().rules) == set(STAGES) - {"convert", *ALIKE}


def test_published_run_took_as_long_as_its_jobs_on_two_cores(measured):
    """Its README says how long: the estimate of it on its own machine."""
    readme = (ROOT / "results/published/tiny/README.md").read_text(encoding="utf-8")
    told = estimate.describe_estimate([PRESETS / "three_seeds.yaml"])
    assert read_minutes(told) == pytest.approx(int(re.search(r"(\d+) minutes", readme)[1]), rel=0.1)
    assert ", 1.00 times as long" in told


def test_slower_machine_takes_longer(measured):
    minutes = read_minutes(estimate.describe_estimate([]))
    measured.factor = 3.0
    longer = estimate.describe_estimate([])
    assert 2.5 * minutes < read_minutes(longer) < 3 * minutes  # what is around the loops does not count
    assert ", 3.00 times as long" in longer


def test_what_is_done_does_not_count(measured):
    whole = estimate.describe_estimate([])
    assert whole.startswith("results/tiny: 71 of 71 jobs are to be done, in about ")
    jobs = list_jobs(load({}))
    for job in jobs:
        if job.rule in ("dataset", "pretrain", "sft"):
            make_job(job, RESULTS)
    rest = estimate.describe_estimate([])
    assert rest.startswith("results/tiny: 62 of 71 jobs are to be done, in about ")
    assert read_minutes(rest) < read_minutes(whole)
    for job in jobs:
        make_job(job, RESULTS)
    assert estimate.describe_estimate([]) == "results/tiny: all 71 jobs are done"


def test_more_work_takes_longer(measured, tmp_path):
    file = tmp_path / "changes.yaml"
    file.write_text("rl: {defaults: {updates: 400, checkpoint_every: 100}}")
    assert read_minutes(estimate.describe_estimate([file])) > 1.5 * read_minutes(estimate.describe_estimate([]))


def test_each_size_of_the_bases_is_measured(measured, monkeypatch):
    """Once each, and counted for all that is made from a base of that size, not for the others."""
    sizes, seen = [64, 128, 256, 416], []
    published = estimate.read_published().rules["pretrain"]

    def measure(spec):
        seen.append(spec.model.architecture.hidden_size)
        return published.loop * (slow if seen[-1] == 416 else 1.0)

    monkeypatch.setattr(estimate, "measure_log", measure)
    slow = 1.0
    whole = read_minutes(estimate.describe_estimate([PRESETS / "scale.yaml"]))
    assert sorted(seen) == sizes
    slow = 10.0
    told = estimate.describe_estimate([PRESETS / "scale.yaml"])
    assert 2 * whole < read_minutes(told) < 5 * whole  # a quarter of the work is ten times as long
    assert sorted(re.search(r" s, (.*) times", told)[1].split(" or ")) == ["1.00", "1.00", "1.00", "10.00"]


def test_jobs_are_counted_at_the_size_of_their_base():
    jobs = {job.key: job for job in list_jobs(load_files([PRESETS / "scale.yaml"]))}
    bases = estimate.find_bases([*jobs.values()])
    widths = {key: base.model.architecture.hidden_size for key, base in bases.items()}
    assert widths["rl/FB_8m_rl_6_9_seed0"] == widths["evaluate/FB_8m_rl_6_9_seed0_steps_6_9_8m"] == 416
    assert widths["sft/B_0_2m_seed0"] == 64
    assert widths["rl/FB_rl_6_9_seed0"] == 128


@pytest.mark.parametrize("preset", ["smoke", "full", "gf23", "three_seeds", "scale"])
def test_every_preset_that_pretrains_has_an_estimate(measured, preset):
    assert read_minutes(estimate.describe_estimate([PRESETS / f"{preset}.yaml"])) > 1


@pytest.mark.parametrize("answer", ["answers with status 200", "does not answer (test)"])
def test_preset_that_pretrains_nothing_is_told_by_its_work(measured, monkeypatch, answer):
    asked = []
    monkeypatch.setattr(estimate, "find_hub", lambda: answer)
    monkeypatch.setattr(estimate, "describe_needs", lambda *arguments: asked.append(arguments) or ["rl: 2 hours"])
    told = estimate.describe_estimate([PRESETS / "paper.yaml"])
    assert told.startswith("results/paper: ")
    assert told.endswith("; training and evaluation of the whole preset, one job at a time:\n  rl: 2 hours")
    assert asked[0][1:] == (Path("results/paper/benchmarks"), not answer.startswith("answers"))


def test_moment_of_training_is_measured_and_leaves_nothing_behind(tmp_path, monkeypatch):
    """On logs of all lengths, whatever the curriculum; a model four times as deep takes longer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(estimate.tempfile, "tempdir", None)
    monkeypatch.setattr(estimate, "MEASURED", 0.5)
    seconds = estimate.measure_log(make_pretrain_spec())
    assert 1e-6 < seconds < 1
    assert list(tmp_path.iterdir()) == []


def test_command_tells_the_time_and_how_to_watch(tmp_path):
    """As `make reproduce` calls it first; on a terminal of its own, with nothing made before."""
    [first, second, *_] = re.search(r"^reproduce: env\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)[
        1
    ].splitlines()
    assert first == "\t-@$(VENV)/bin/python -m selectimprove estimate"
    assert second == "\t$(SNAKEMAKE)"
    process = subprocess.run(
        [sys.executable, "-m", "selectimprove", "estimate"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "workflow/src"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    estimated, watching = process.stdout.splitlines()
    assert read_minutes(estimated) > 1
    assert watching == f"Watch it from another terminal: {sys.executable} -m selectimprove watch"
    assert list(tmp_path.iterdir()) == []


def test_command_to_watch_names_the_configuration(measured, tmp_path, capsys):
    (tmp_path / "a b.yaml").write_text("seeds: [1]")
    assert main(["estimate", "--configfile", "a b.yaml"]) == 0
    assert capsys.readouterr().out.endswith(" -m selectimprove watch --configfile 'a b.yaml'\n")


def test_mistake_in_the_configuration_is_told_before_anything_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(estimate, "measure_log", lambda spec: pytest.fail("measured"))
    (tmp_path / "changes.yaml").write_text("seedz: [0]")
    assert main(["estimate", "--configfile", str(tmp_path / "changes.yaml")]) == 2
    assert "seedz" in capsys.readouterr().err
