"""Pass rates and what is filtered by them: measured as RL samples and pays, taken in order, traced to the start."""

import dataclasses
import json

import pandas as pd
import pytest
from stages import change_a_bit
from tiny_models import RL_DATA, TASK, save_data, save_model

from selectimprove.experiment.specs import FilteredDataSpec, FilterSpec, PassRateSpec, build_spec
from selectimprove.measurement import pass_rates
from selectimprove.measurement.filtering import select_lines, write_filtered_dataset
from selectimprove.measurement.pass_rates import measure_pass_rates
from selectimprove.provenance.chain import Chain, list_roots
from selectimprove.provenance.records import RECORD, digest_checkpoint, digest_path, read_record, record_dataset
from selectimprove.tasks.data import DATA_FILES, read_rows
from selectimprove.tasks.specs import DataSpec
from selectimprove.tasks.strategies import write_solution
from selectimprove.training.models import encode_completion

SPEC = PassRateSpec("FB", "rl_2_3", 4, 0.7, 20, "symbolic", 1, 0)


def make_filtered_spec(wanted, pass_rate=(0.5, 1.0)):
    dataset = dataclasses.replace(RL_DATA, name="band", sizes={**RL_DATA.sizes, "train": wanted})
    return FilteredDataSpec(dataset, FilterSpec("rl_2_3", "FB", pass_rate, 4), seed=0)


def write_right_answers(monkeypatch, counts):
    """Have the model write counts[i] right completions of problem i, and wrong ones else."""

    def sample(model, tokenizer, problems, strategy, text, *, completions_per_prompt, **_):
        sampled = []
        for problem, count in zip(problems, counts, strict=True):
            right = encode_completion(tokenizer, write_solution(problem, ["forward"], text))
            wrong = encode_completion(tokenizer, "x")
            sampled += [right] * count + [wrong] * (completions_per_prompt - count)
        return sampled

    monkeypatch.setattr(pass_rates, "sample_strategy", sample)


@pytest.fixture
def candidates(tmp_path, monkeypatch):
    """Candidates with their record, from the current folder; the start model is beside them."""
    monkeypatch.chdir(tmp_path)
    folder = save_data(tmp_path / "rl_2_3", RL_DATA).relative_to(tmp_path)
    record_dataset(DataSpec(RL_DATA, TASK, "symbolic", 0), folder)
    start = save_model(tmp_path / "start").relative_to(tmp_path)
    (start / RECORD).write_text(json.dumps({"digest": digest_checkpoint(start), "spec": {"run": "FB"}, "inputs": {}}))
    return folder, start


COUNTS = [0, 1, 2, 3, 4] * 3 + [2]


@pytest.fixture
def measured(candidates, monkeypatch, tmp_path):
    """The candidates, the start model and a table of known pass rates."""
    folder, start = candidates
    write_right_answers(monkeypatch, COUNTS)
    table = (tmp_path / "FB.parquet").relative_to(tmp_path)
    measure_pass_rates(SPEC, start, folder / "train.jsonl", table)
    return folder, start, table


def test_pass_rates_are_the_shares_that_the_verifier_accepts(measured):
    folder, start, table = measured
    rows = read_rows(folder / "train.jsonl")
    rates = pd.read_parquet(table)
    assert list(rates["problem_id"]) == [row["id"] for row in rows]
    assert list(rates["kind"]) == [row["kind"] for row in rows]
    assert list(rates["steps"]) == [row["steps"] for row in rows]
    assert list(rates["right"]) == COUNTS
    assert list(rates["pass_rate"]) == [count / 4 for count in COUNTS]
    record = read_record(table)
    assert build_spec(PassRateSpec, record["spec"]) == SPEC
    inputs = [folder / "train.jsonl", folder / "task.json", start]
    assert record["inputs"] == {str(path): digest_path(path) for path in inputs}


def test_completions_are_sampled_as_the_spec_says(candidates, monkeypatch):
    folder, start = candidates
    asked = {}
    plain = pass_rates.sample_strategy

    def sample(*arguments, **settings):
        asked.update(settings, strategy=arguments[3])
        return plain(*arguments, **settings)

    monkeypatch.setattr(pass_rates, "sample_strategy", sample)
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        measure_pass_rates(dataclasses.replace(SPEC, seed=seed), start, folder / "train.jsonl", folder.parent / name)
    assert asked == {
        "completions_per_prompt": 4,
        "temperature": 0.7,
        "max_completion_tokens": 20,
        "strategy": None,
    }
    assert (folder.parent / "one").read_bytes() == (folder.parent / "two").read_bytes()


@pytest.mark.parametrize(
    ("pass_rate", "counts"),
    [((0, 0.25), {0}), ((0.25, 0.75), {1, 2}), ((0.75, 1), {3, 4}), ((0, 1), {0, 1, 2, 3, 4}), ((0.7, 0.8), {3})],
)
def test_band_begins_with_its_first_number_and_ends_before_its_second_but_for_1(pass_rate, counts):
    own = FilterSpec("rl_2_3", "FB", pass_rate, 4)
    assert {count for count in range(5) if own.takes(count / 4)} == counts


def test_filtered_problems_are_the_first_in_the_band_as_they_were(measured, tmp_path):
    folder, start, table = measured
    lines = (folder / "train.jsonl").read_text().splitlines()
    spec = make_filtered_spec(6)
    for name in ("band", "again"):
        write_filtered_dataset(spec, folder, start, table, tmp_path / name)
    band = tmp_path / "band"
    taken = [index for index, count in enumerate(COUNTS) if count >= 2][:6]
    assert (band / "train.jsonl").read_text().splitlines() == [lines[index] for index in taken]
    for name in DATA_FILES:
        assert (band / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
        assert name == "train.jsonl" or (band / name).read_bytes() == (folder / name).read_bytes()
    assert len(read_rows(band / "train.jsonl")) == 6


def test_record_names_candidates_pass_rates_and_start_and_is_traced_through_them(measured):
    folder, start, table = measured
    band = folder.parent / "band"
    write_filtered_dataset(make_filtered_spec(6), folder, start, table, band)
    record = json.loads((band / RECORD).read_text())
    assert build_spec(FilteredDataSpec, record["spec"]) == make_filtered_spec(6)
    inputs = [*(folder / name for name in DATA_FILES), table, start]
    assert record["inputs"] == {str(path): digest_path(path) for path in inputs}
    chain = Chain(list_roots(band))
    assert set(inputs) < set(chain.artifacts)
    assert chain.list_problems() == {}
    change_a_bit(start)
    assert set(Chain(list_roots(band)).list_problems()) == {start}


def test_too_few_in_the_band_are_told_with_both_numbers(measured, tmp_path):
    folder, start, table = measured
    with pytest.raises(
        ValueError,
        match=r"^datasets\.band\.sizes\.train: 4 problems are needed, but FB solves only 3 of the 16 candidates of "
        r"rl_2_3 at a rate of 0-0\.25 \(seed 0\); ask for fewer, a wider band or more candidates$",
    ):
        write_filtered_dataset(make_filtered_spec(4, (0, 0.25)), folder, start, table, tmp_path / "band")
    assert not (tmp_path / "band").exists()


def test_pass_rates_of_another_model_or_of_other_problems_are_refused(measured, tmp_path):
    folder, start, table = measured
    other = save_model(tmp_path / "other", seed=1).relative_to(tmp_path)
    with pytest.raises(ValueError, match=r"^FB\.parquet: these pass rates are not of other as it is now"):
        write_filtered_dataset(make_filtered_spec(6), folder, other, table, tmp_path / "band")
    lines = (folder / "train.jsonl").read_text().splitlines(keepends=True)
    with pytest.raises(ValueError, match="the pass rates of FB are not of the problems of rl_2_3"):
        select_lines(make_filtered_spec(6), lines[::-1], pd.read_parquet(table))
    (folder / "train.jsonl").write_text("".join(lines[::-1]))
    with pytest.raises(ValueError, match="train.jsonl is damaged"):
        write_filtered_dataset(make_filtered_spec(6), folder, start, table, tmp_path / "band")
