"""The jobs of an experiment; tests/workflow/test_watch.py holds them against those that Snakemake plans."""

import pytest
from configurations import PRESETS, load

from selectimprove.experiment.config import RULES, load_files
from selectimprove.experiment.jobs import STAGES, list_jobs
from selectimprove.provenance.tracing import list_artifacts


def test_every_rule_of_a_stage_is_a_rule():
    assert set(STAGES) <= set(RULES)


@pytest.mark.parametrize("preset", ["three_seeds", "smoke", "full", "smollm2", "paper"])
def test_each_job_comes_after_those_that_it_takes_from(preset):
    experiment = load_files([PRESETS / f"{preset}.yaml"])
    jobs = list_jobs(experiment)
    seen = set()
    for job in jobs:
        assert set(job.takes) <= seen
        seen.add(job.key)
    assert len(seen) == len(jobs)
    stages = [job.stage for job in jobs if job.stage != "data" or not experiment.filters]  # filtered data wait for runs
    assert stages == sorted(stages, key=list(dict.fromkeys(STAGES.values())).index)


def test_what_is_recorded_is_what_jobs_make(tmp_path):
    """What `verify` looks at: each is an output of one job, a checkpoint in one, or the folder of a data set."""
    experiment = load_files([PRESETS / "smoke.yaml"])
    jobs = list_jobs(experiment)
    made = [path for job in jobs for path in {*job.outputs, *job.checkpoints}]
    made += [job.outputs[0].rpartition("/")[0] for job in jobs if job.rule.endswith("dataset")]
    assert len(made) == len(set(made))
    artifacts = [str(path.relative_to(tmp_path)) for path in list_artifacts(experiment, tmp_path)]
    assert set(artifacts) <= set(made)
    assert len({artifact.split("/")[0] for artifact in artifacts}) == 11


def test_work_is_counted_in_texts():
    def find_work(changes):
        return {job.key: (job.topic, job.units) for job in list_jobs(load(changes))}

    work = find_work({})
    assert work["pretrain/gf11_seed0"] == ("gf11", 1800 * 40)
    assert work["sft/F_seed0"] == ("sft_F", 12800)
    assert work["rl/FB_rl_6_9_seed0"] == ("rl_6_9", 100 * 32 * 8)
    assert work["evaluate/FB_rl_6_9_seed0_steps_6_9"] == ("steps_6_9", 4 * 1024)
    assert work["evaluate/FB_seed0_pass_6_9"] == ("pass_6_9", 128 * 256)
    assert work["evaluate/FB_rl_6_9_seed0_forced_6_9"] == ("forced_6_9", 4 * 2 * 512)
    assert work["dataset/rl_6_9_seed0"] == ("rl_6_9", 1)
    assert work["scores"] == ("scores", 1)
    assert find_work({"sft.F.epochs": 2.5})["sft/F_seed0"] == ("sft_F", 32000)
    other = find_work({"suites.steps_6_9.checkpoints": "last"})
    assert other["evaluate/FB_rl_6_9_seed0_steps_6_9"] == ("steps_6_9", 1024)


def test_job_is_told_its_spec_and_takes_its_threads():
    jobs = {job.key: job for job in list_jobs(load({"execution.processes": 2, "execution.threads": 3}))}
    assert {key: job.threads for key, job in jobs.items() if job.threads > 1}.items() >= {
        "sft/F_seed0": 6,
        "rl/F_rl_6_9_seed0": 6,
        "evaluate/F_seed0_steps_6_9": 3,
    }.items()
    assert '"dataset": "sft_F"' in jobs["sft/F_seed0"].spec
    assert jobs["scores"].spec is None
