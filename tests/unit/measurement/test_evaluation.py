"""Evaluation: a row a completion, with every column filled."""

import pandas as pd
import pytest
from stages import change_a_bit, run_pretrain, run_rl, run_sft
from tiny_models import (
    make_suite,
    save_model,
)

from selectimprove.experiment.specs import EvaluationSpec, build_spec
from selectimprove.measurement.evaluation import evaluate
from selectimprove.measurement.scores import COLUMNS, read_scores
from selectimprove.provenance.records import digest_checkpoint, digest_path, read_record
from selectimprove.tasks.data import read_rows


def test_evaluation_fills_every_column(tmp_path, base, rl_data):
    spec = EvaluationSpec(
        "FB_rl", "FB", "rl_2_3", (2, 4), make_suite(completions_per_problem=2), "symbolic", threads=1, seed=0
    )
    tables = []
    for name in ("one", "two"):
        evaluate(spec, [base, save_model(tmp_path / "other", seed=1)], rl_data / "test.jsonl", tmp_path / name)
        tables.append(read_scores([tmp_path / name]))
    table = tables[0]
    pd.testing.assert_frame_equal(*tables)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    record = read_record(tmp_path / "one")
    assert build_spec(EvaluationSpec, record["spec"]) == spec
    inputs = [rl_data / "test.jsonl", rl_data / "field.json", base, tmp_path / "other"]
    assert record["inputs"] == {str(path): digest_path(path) for path in inputs}
    assert list(table) == list(COLUMNS)
    assert len(table) == 2 * 12 * 2
    assert set(table["checkpoint_step"]) == {2, 4}
    assert set(table.loc[table["checkpoint_step"] == 2, "checkpoint_digest"]) == {digest_checkpoint(base)}
    assert table.groupby(["checkpoint_step", "problem_id"])["sample"].apply(list).map(lambda x: x == [0, 1]).all()
    assert (table["correct"] | table["failure"].notna()).all()
    rows = {row["id"]: row for row in read_rows(rl_data / "test.jsonl")}
    assert set(table["problem_id"]) == set(rows)
    assert all(rows[row.problem_id]["kind"] == row.kind for row in table.itertuples())


def test_forced_completions_open_as_they_are_made_to(tmp_path, base, rl_data):
    suite = make_suite(problems=5, completions_per_problem=3, forced_strategies=("forward", "backward"))
    spec = EvaluationSpec("FB_rl", "FB", "rl_2_3", (4,), suite, "symbolic", threads=1, seed=0)
    evaluate(spec, [base], rl_data / "test.jsonl", tmp_path / "scores")
    table = read_scores([tmp_path / "scores"])
    assert list(table["problem_id"].unique()) == [f"rl_2_3/test/0/{index}" for index in range(5)]
    assert table.groupby("forced_strategy").size().to_dict() == {"forward": 15, "backward": 15}
    assert (table["completion"].str[0] == table["forced_strategy"].map({"forward": "x", "backward": "y"})).all()
    assert table["strategy"].isin(["none", "forward", "backward"]).all()
    assert table["tokens"].between(1, 20).all()
    opened = table[table["strategy"] != "none"]
    assert (opened["strategy"] == opened["forced_strategy"]).all()


def test_checkpoint_changed_after_it_was_made_is_not_used(tmp_path, sft_data, rl_data):
    base = run_pretrain(tmp_path / "pretrain")
    change_a_bit(base)
    spec = EvaluationSpec("FB", "FB", "sft", (0,), make_suite(), "symbolic", threads=1, seed=0)
    for use in (
        lambda: run_sft(tmp_path / "sft", base, sft_data),
        lambda: run_rl(tmp_path / "rl", base, rl_data),
        lambda: evaluate(spec, [base], rl_data / "test.jsonl", tmp_path / "scores"),
    ):
        with pytest.raises(ValueError, match="model is damaged: its files are not those that provenance.json"):
            use()
    assert not list(tmp_path.rglob("step*"))
    assert not (tmp_path / "scores").exists()
