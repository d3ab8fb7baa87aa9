"""Times of a copy of results: they follow the records."""

import os
import shutil
from pathlib import Path

import pytest
from synthetic_scores import write_checkpoint, write_data

from selectimprove.provenance.copies import EARLIEST, settle_times
from selectimprove.provenance.marks import is_copy, mark_folder

RESULTS = Path("results/tiny")
JOBS = ["data/d/seed0", "sft/F/seed0", "rl/F_rl/seed0"]


def test_mark_does_not_survive_a_copy(tmp_path):
    results = tmp_path / "results"
    assert not is_copy(results)
    results.mkdir()
    assert is_copy(results)
    mark_folder(results)
    assert not is_copy(results)
    results.rename(tmp_path / "moved")
    assert not is_copy(tmp_path / "moved")
    shutil.copytree(tmp_path / "moved", results)
    assert is_copy(results)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A data set, an SFT run and an RL run, the first of which have the latest times."""
    monkeypatch.chdir(tmp_path)
    start = write_data(RESULTS / JOBS[0])
    for job in JOBS[1:]:
        checkpoint = write_checkpoint(RESULTS / job / "checkpoints/step0", {"run": job}, start)
        (RESULTS / job / "checkpoints/.snakemake_timestamp").touch()
        (RESULTS / job / "metrics.csv").touch()
        start = [checkpoint]
    for age, job in enumerate(JOBS):
        for file in (RESULTS / job).rglob("*"):
            os.utime(file, (1e9 - age, 1e9 - age))
    return RESULTS


def test_benchmark_is_the_latest(results):
    benchmark = results / "benchmarks/rl/F_rl_seed0.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.touch()
    os.utime(benchmark, (0, 0))
    settle_times(results)
    assert benchmark.stat().st_mtime > max(max(times) for times in find_times(results))


def find_times(results):
    """Return the times of the files of each job; folders have none that count."""
    return [{file.stat().st_mtime for file in (results / job).rglob("*") if file.is_file()} for job in JOBS]


def test_each_job_is_later_than_what_it_was_made_from(results):
    settle_times(results)
    times = find_times(results)
    assert [len(of_job) for of_job in times] == [1, 1, 1]
    assert times == sorted(times, key=max)
    assert times[0] != times[1] != times[2]
    assert not is_copy(results)


def test_what_is_not_as_recorded_gets_the_earliest_time_and_so_does_what_was_made_from_it(results):
    (results / JOBS[1] / "checkpoints/step0/model.safetensors").write_text("other weights")
    settle_times(results)
    data, *trained = find_times(results)
    assert trained == [{EARLIEST}, {EARLIEST}]
    assert min(data) > 1e9


def test_what_is_gone_is_passed_over(results):
    shutil.rmtree(results / JOBS[1])
    settle_times(results)
    data, _, trained = find_times(results)
    assert min(trained | data) > 1e9
