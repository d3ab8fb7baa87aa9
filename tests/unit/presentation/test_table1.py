import json
from itertools import product

import pandas as pd
import pytest
from synthetic_scores import make_rows, make_scores, make_spec, write_metrics, write_run_scores

from selectimprove.measurement.analysis import wilson_interval
from selectimprove.presentation.rendering import render_table
from selectimprove.presentation.tables import table1
from selectimprove.provenance.records import digest_file

RUNS = [f"{model}{training}" for model, training in product(("B", "F", "FB"), ("", "_rl_2_5", "_rl_6_9"))]


def share_correct(run, step, kind, length):
    """Return 0.5 for evaluation and 0.25 for inversion, but at the last checkpoint (step 50) 0.75 and 1."""
    shares = (0.75, 1.0) if step == 50 else (0.5, 0.25)
    return shares[kind == "inversion"]


@pytest.fixture(scope="module")
def scores():
    return make_scores(share_correct, runs=RUNS)


def test_cells_are_the_last_checkpoints(scores):
    table = table1.compute(scores)
    columns = ["model", "training", "kind", "accuracy", "low", "high", "seeds", "worst_seed", "best_seed", "paper"]
    assert list(table.columns) == columns
    order = product(("B", "F", "FB"), ("SFT", "RL 2-5", "RL 6-9"), ("all", "inversion", "evaluation"))
    assert list(table[["model", "training", "kind"]].itertuples(index=False, name=None)) == list(order)
    expected = {"SFT": [0.375, 0.25, 0.5], "RL 2-5": [0.875, 1.0, 0.75], "RL 6-9": [0.875, 1.0, 0.75]}
    for (_, training), rows in table.groupby(["model", "training"]):
        assert list(rows["accuracy"]) == pytest.approx(expected[training])
    first = table.iloc[0]  # B, sft, all: 20 problems for each of 2 kinds and 4 lengths
    assert (first["low"], first["high"]) == pytest.approx(wilson_interval(0.375, 160))
    assert (table["seeds"] == 1).all()


def test_paper_numbers_stand_in_their_cells(scores):
    paper = table1.compute(scores).set_index(["model", "training", "kind"])["paper"]
    assert paper["B", "RL 6-9", "inversion"] == pytest.approx(0.960)
    assert paper["F", "SFT", "evaluation"] == pytest.approx(0.971)
    assert paper["FB", "RL 2-5", "all"] == pytest.approx(0.600)


def test_markdown_has_nine_rows_in_percent(scores):
    lines = table1.format_markdown(table1.compute(scores)).splitlines()
    assert len(lines) == 2 + 9
    assert len({line.count("|") for line in lines}) == 1
    low, high = (100 * bound for bound in wilson_interval(0.25, 80))
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells[:2] == ["B, SFT", "1"]
    assert cells[4:6] == [f"25.0 [{low:.1f}, {high:.1f}]", "38.9"]
    assert lines[-1].startswith("| FB, RL 6-9 |")


def test_several_seeds_are_pooled_and_their_range_is_shown(scores):
    worse = make_scores(lambda run, step, kind, length: 0.0, runs=RUNS).assign(seed=1)
    table = table1.compute(pd.concat([scores, worse]))
    assert (table["seeds"] == 2).all()
    first = table.iloc[0]
    assert (first["accuracy"], first["worst_seed"], first["best_seed"]) == pytest.approx((0.375 / 2, 0.0, 0.375))
    low, high = (100 * bound for bound in wilson_interval(0.375 / 2, 320))
    assert f"| 18.8 [{low:.1f}, {high:.1f}]<br>0.0 to 37.5 |" in table1.format_markdown(table)


def test_rows_are_those_of_the_runs_there_are(scores):
    whole = table1.compute(scores)
    table = table1.compute(scores[~scores["run"].isin(["F_rl_2_5", "B_rl_2_5"])])
    gone = (whole["training"] == "RL 2-5") & (whole["model"] != "FB")
    pd.testing.assert_frame_equal(table, whole[~gone].reset_index(drop=True))
    assert len(table1.format_markdown(table).splitlines()) == 2 + 7


def test_table_without_any_row_of_the_paper_is_an_error(scores):
    with pytest.raises(ValueError, match="^there are no scores for any row of the paper's Table 1$"):
        table1.compute(scores.assign(model="suited")[scores["run"].isin(["F", "F_rl_6_9"])])


def test_missing_scores_of_a_run_are_named(scores, tmp_path):
    with pytest.raises(ValueError, match="^table1: there are no scores for run F_rl_2_5, suite steps_6_9, seed 0$"):
        files = write_run_scores(scores[scores["run"] != "F_rl_2_5"], tmp_path / "scores")
        made = [tmp_path / f"table1.{suffix}" for suffix in ("md", "csv", "json")]
        render_table(make_spec("table1", scores), files, write_metrics(scores, tmp_path / "sft"), *made)


def test_missing_kind_is_named(scores):
    gap = (scores["run"] == "FB") & (scores["kind"] == "inversion")
    with pytest.raises(ValueError, match="model FB, SFT, on kind inversion$"):
        table1.compute(scores[~gap])


def test_two_runs_in_a_cell_are_an_error(scores):
    second = make_rows("F_again", 50, "evaluation", 6, [True], training="rl_6_9")
    with pytest.raises(ValueError, match="model F, RL 6-9, but has F_rl_6_9, F_again"):
        table1.compute(pd.concat([scores, second]))


def test_two_suites_are_an_error(scores):
    with pytest.raises(ValueError, match="more than one suite, which are not pooled: steps_6_9, steps_2_5"):
        table1.compute(pd.concat([scores, scores.assign(suite="steps_2_5")]))


def test_rl_that_the_paper_lacks_has_rows_below(scores):
    other = pd.concat(
        make_rows("FB_then", 50, kind, 6, [True] * 4, training="rl_2_5+rl_6_9") for kind in ("evaluation", "inversion")
    )
    table = table1.compute(pd.concat([scores, other]))
    pd.testing.assert_frame_equal(table[:27], table1.compute(scores))
    assert set(table[27:]["training"]) == {"RL 2-5 then 6-9"}
    assert table[27:]["paper"].isna().all()
    last = table1.format_markdown(table).splitlines()[-1]
    assert last.startswith("| FB, RL 2-5 then 6-9 | 1 | 100.0 [")
    assert last.endswith("] |  |")


def test_rendered_table(scores, tmp_path):
    files = write_run_scores(scores, tmp_path / "scores")
    markdown, csv, sidecar = (tmp_path / f"table1.{suffix}" for suffix in ("md", "csv", "json"))
    render_table(make_spec("table1", scores), files, write_metrics(scores, tmp_path / "sft"), markdown, csv, sidecar)
    table = table1.compute(scores)
    assert markdown.read_text() == table1.format_markdown(table)
    pd.testing.assert_frame_equal(pd.read_csv(csv), table, atol=5e-7, check_dtype=False)
    record = json.loads(sidecar.read_text())
    assert (record["table"], record["rule"]) == ("table1", "table")
    assert record["function"] == "selectimprove.presentation.tables.table1.compute"
    assert record["files"] == {file.name: digest_file(file) for file in (markdown, csv)}
