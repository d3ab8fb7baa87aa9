"""The doctor: what it finds, and needs that follow from the preset and from measured rates."""

import re
from dataclasses import replace

import pytest
import torch
from configurations import UNDRAWN, load
from tiny_models import LORA, make_model

from selectimprove.__main__ import main
from selectimprove.commands import doctor
from selectimprove.tasks.field import Field
from selectimprove.training import models


@pytest.fixture(scope="module")
def tiny():
    return doctor.load_preset("tiny")


@pytest.fixture(scope="module")
def estimator(tiny):
    return doctor.Estimator(tiny, offline=True)


def read_hours(lines, stage):
    [line] = [line for line in lines if line.startswith(f"{stage}:")]
    return float(re.search(r"([\d.,]+) hours", line)[1].replace(",", "")), line


def test_weights_and_jobs_are_those_of_the_preset(tiny, estimator):
    model = models.create_model(tiny.model.architecture, models.create_tokenizer(Field.shuffled(11, 0)))
    assert estimator.count_weights("F") == model.num_parameters()
    assert estimator.list_weights() == [model.num_parameters()]
    stages = [job.stage for job in estimator.list_jobs()]
    assert {stage: stages.count(stage) for stage in set(stages)} == {"sft": 3, "rl": 6, "evaluate": 42}


def test_work_is_of_the_model_of_the_task(estimator):
    changes = {"tasks.gf11.model": {"architecture": {"hidden_size": 64, "intermediate_size": 256}}}
    smaller = doctor.Estimator(load(UNDRAWN | changes), offline=True)
    ratio = smaller.count_weights("F") / estimator.count_weights("F")
    assert 0.2 < ratio < 0.3
    for find in (
        lambda found: found.describe_training("F_rl_6_9", 0),
        lambda found: found.describe_evaluation("F", "steps_6_9", 0),
    ):
        assert find(smaller).work == pytest.approx(ratio * find(estimator).work)
        assert find(smaller).memory == pytest.approx(ratio * find(estimator).memory)


def test_work_grows_with_the_run(tiny, estimator):
    job = estimator.describe_training("F_rl_6_9", 0)
    values = {**tiny.rl_values, "F_rl_6_9": tiny.rl_values["F_rl_6_9"] | {"updates": 200}}
    estimator.experiment = replace(tiny, rl_values=values)
    longer = estimator.describe_training("F_rl_6_9", 0)
    estimator.experiment = tiny
    assert longer.work == pytest.approx(2 * job.work)
    # A pass to sample, one of the reference and one both ways: ten operations a weight and token.
    prompt, completion = estimator.measure_tokens("rl_6_9")
    assert job.work == pytest.approx(100 * 32 * (prompt + 8 * completion) * 10 * estimator.count_weights("F"))
    assert 6 * 4 + 7 < completion - 1 < 9 * 4 + 8


def test_pass_rates_are_counted_once_for_all_that_is_filtered_by_them():
    changes = {"datasets.pool": {"steps": "2-9", "sizes": {"train": 3200}}}
    for band, pass_rate in {"hard": [0, 0.1], "middle": [0.1, 0.5]}.items():
        own = {"from": "pool", "filter": {"run": "FB", "pass_rate": pass_rate, "samples": 8}, "sizes": {"train": 320}}
        changes |= {f"datasets.{band}": own, f"rl.FB_{band}": {"start": "FB", "dataset": band}}
    figure = {"module": "figure2", "runs": ["FB_hard", "FB_middle"], "suites": ["steps_6_9"]}
    estimator = doctor.Estimator(load(UNDRAWN | changes | {"figures": {"bands": figure}}), offline=True)
    [job] = [job for job in estimator.list_jobs() if job.stage == "pass_rates"]
    prompt, completion = estimator.measure_tokens("pool")
    assert job.work == pytest.approx(3200 * (prompt + 8 * completion) * 2 * estimator.count_weights("F"))
    assert job.benchmark == "pass_rates/pool_seed0_FB.tsv"
    assert estimator.tokens["hard"] == estimator.tokens["pool"]


def test_trained_weights_are_those_that_peft_adds():
    from peft import get_peft_model

    model, _ = make_model()
    assert doctor.count_trained(model, None) == model.num_parameters()
    counted = doctor.count_trained(model, LORA)
    adapted = get_peft_model(model, models.make_lora_config(LORA))
    assert counted == sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)


def test_measured_jobs_set_the_rate(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "measure_speed", lambda threads: 1e9)
    hours, line = read_hours(doctor.describe_needs(tiny, tmp_path, offline=True), "rl")
    assert "at least" in line and "from the speed of matrix products" in line
    jobs = [job for job in doctor.Estimator(tiny, offline=True).list_jobs() if job.stage == "rl"]
    assert hours == pytest.approx(sum(job.work for job in jobs) / 1e9 / 3600, abs=0.01)
    file = tmp_path / jobs[0].benchmark
    file.parent.mkdir()
    file.write_text(f"s\tmax_rss\n{3600 * jobs[0].work / sum(job.work for job in jobs)}\t1\n")
    hours, line = read_hours(doctor.describe_needs(tiny, tmp_path, offline=True), "rl")
    assert hours == pytest.approx(1.0, abs=0.01)
    assert "at least" not in line and f"from 1 jobs in {tmp_path}" in line


def test_preset_without_rl_has_no_line_of_it(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "measure_speed", lambda threads: 1e9)
    figures = {"figure2": {**tiny.figures["figure2"], "runs": ["F"]}}
    lines = doctor.describe_needs(replace(tiny, figures=figures, tables={}, claims=()), tmp_path, offline=True)
    assert [line.partition(":")[0] for line in lines[2:]] == ["sft", "evaluate"]


def test_speed_is_that_of_matrix_products():
    threads = torch.get_num_threads()
    assert 1e8 < doctor.measure_speed(threads) < 1e16


def test_cores_are_those_of_this_process_where_the_system_tells(monkeypatch):
    monkeypatch.setattr(doctor.os, "sched_getaffinity", lambda process: {1, 5, 7}, raising=False)
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 8)
    assert doctor.count_cores() == 3
    monkeypatch.delattr(doctor.os, "sched_getaffinity")
    assert doctor.count_cores() == 8


def test_command_tells_and_unknown_presets_are_named(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "find_hub", lambda: "does not answer (test)")
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    for word in (
        "code",
        "processors",
        "memory",
        "GPUs",
        "versions",
        "hub",
        "Slurm",
        "sft: 3 jobs",
        "evaluate: 42 jobs",
    ):
        assert word in told
    assert main(["doctor", "--preset", "huge"]) == 2
    assert "--preset huge: not known; allowed are tiny, breakdown, full" in capsys.readouterr().err
    monkeypatch.setenv("HF_HOME", "/nowhere")
    assert main(["doctor", "--preset", "paper"]) == 2
    assert "Qwen/Qwen2.5-1.5B-Instruct: its size is not known, since the hub gave" in capsys.readouterr().err


def test_versions_that_are_not_pinned_are_named(monkeypatch):
    found = doctor.importlib.metadata.version
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda name: "0.1" if name == "trl" else found(name))
    told = doctor.describe_machine()["versions"]
    assert re.match(r"warning: versions are not as pinned: trl 0\.1 instead of [\d.]+; results may differ", told)


def test_missing_package_is_told_as_an_error(monkeypatch):
    others = {"trl": {"found": "none", "pinned": "1.2"}, "peft": {"found": "0.1", "pinned": "0.2"}}
    monkeypatch.setattr(doctor, "find_other_versions", lambda: others)
    told = doctor.describe_versions()
    assert told.startswith(
        "error: missing: trl none instead of 1.2; warning: versions are not as pinned: peft 0.1 instead"
    )
