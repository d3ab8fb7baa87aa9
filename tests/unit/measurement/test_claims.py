"""Verdicts on claims: each way round from synthetic scores, and errors where data is missing."""

import json

import numpy as np
import pandas as pd
import pytest
from synthetic_scores import add_checkpoints, make_rows, make_scores, write_run_scores

from selectimprove.experiment.specs import ClaimSpec, ClaimsSpec, dump_spec, parse_spec
from selectimprove.measurement.claims import (
    COLUMNS,
    bootstrap_mean,
    check_claims,
    format_claims,
    judge_interval,
    measure_problems,
    write_claims,
)

PROBLEMS = 200


def make_claim(**changes):
    values = {"name": "ahead", "sentence": "FB is ahead.", "figure": "figure2", "measure": "accuracy"}
    values |= {"suite": "steps_6_9", "kind": "all", "terms": {"FB_rl_6_9": 1, "F_rl_6_9": -1}}
    return ClaimSpec(**(values | {"comparison": "above", "threshold": 0.25} | changes))


def make_accuracies(accuracies, seeds=(0,), checkpoint_steps=(50,)):
    """Return scores of runs with these accuracies on both kinds."""
    return make_scores(
        lambda run, *_: accuracies[run],
        runs=accuracies,
        checkpoint_steps=checkpoint_steps,
        lengths=(6,),
        problems=PROBLEMS,
        seeds=seeds,
    )


def judge(claim, scores):
    return check_claims([claim], scores).iloc[0]


@pytest.mark.parametrize(
    ("ahead", "above", "below"),
    [
        (0.9, "reproduced", "not reproduced"),
        (0.76, "inconclusive", "inconclusive"),
        (0.6, "not reproduced", "reproduced"),
    ],
)
def test_verdict_flips_with_the_scores(ahead, above, below):
    scores = make_accuracies({"FB_rl_6_9": ahead, "F_rl_6_9": 0.5})
    for comparison, verdict in (("above", above), ("below", below)):
        row = judge(make_claim(comparison=comparison), scores)
        assert row["verdict"] == verdict
        assert row["statistic"] == pytest.approx(ahead - 0.5)
        assert row["low"] <= row["statistic"] <= row["high"]


def test_interval_that_touches_the_threshold_is_inconclusive():
    assert judge_interval(0.25, 0.5, "above", 0.25) == "inconclusive"
    assert judge_interval(0.1, 0.25, "below", 0.25) == "inconclusive"


def test_statistic_takes_the_last_checkpoint_and_the_kind():
    def share(run, step, kind, _):
        return {"evaluation": 0.8, "inversion": 0.2}[kind] if step == 50 else 0.0

    scores = make_scores(share, runs=["FB_rl_6_9"], lengths=(6,), problems=PROBLEMS)
    for kind, value in (("evaluation", 0.8), ("inversion", 0.2), ("all", 0.5)):
        assert judge(make_claim(terms={"FB_rl_6_9": 1}, kind=kind), scores)["statistic"] == pytest.approx(value)


def test_weights_of_the_terms_count():
    scores = make_accuracies({"B_rl_2_5": 0.5, "B": 0.4, "B_rl_6_9": 0.8})
    row = judge(make_claim(terms={"B_rl_2_5": 1, "B": -0.5, "B_rl_6_9": -0.5}, comparison="below", threshold=0), scores)
    assert row["statistic"] == pytest.approx(-0.1)


def test_forced_suites_count_the_completions_of_the_suited_strategy():
    free = make_rows("FB", 0, "inversion", 6, [True] * 4)
    forced = [
        make_rows("FB", 0, "inversion", 6, correct).assign(forced_strategy=name, suite="forced_6_9")
        for name, correct in (("forward", [True] * 4), ("backward", [True, False, False, False]))
    ]
    forced[1]["strategy"] = "backward"
    claim = make_claim(terms={"FB": 1}, suite="forced_6_9")
    assert measure_problems(claim, pd.concat([free, *forced])).mean() == pytest.approx(0.25)
    forced[1]["strategy"] = ["mixed", "backward", "backward", "backward"]
    assert measure_problems(claim, pd.concat([free, *forced])).mean() == 0


def test_measures_of_routing():
    rows = pd.concat([make_rows("FB", 0, kind, 6, [False] * 4) for kind in ("evaluation", "inversion")])
    rows["strategy"] = ["forward", "forward", "forward", "backward"] * 2
    for measure, value in (("forward_share", 0.75), ("suited_share", 0.5)):
        assert judge(make_claim(measure=measure, terms={"FB": 1}), rows)["statistic"] == pytest.approx(value)
    rows["strategy"] = ["forward", "forward", "forward", "mixed"] * 2
    for measure, value in (("forward_share", 0.75), ("suited_share", 0.375)):
        assert judge(make_claim(measure=measure, terms={"FB": 1}), rows)["statistic"] == pytest.approx(value)


def test_measure_of_whole_traces_and_the_number_of_parts():
    """Of four compositions two are right from the first step to the last; a third has the right answer alone."""
    rows = pd.concat([make_rows("FB", 0, "composition", 6, [True, True, True, False]) for _ in range(2)])
    rows["problem_id"] = [f"p{index}" for index in range(len(rows))]
    rows["first_wrong_step"] = pd.array([None, None, 3, 0] + [1] * 4, dtype="Int64")
    rows["parts"] = [3] * 4 + [2] * 4
    claim = {"terms": {"FB": 1}, "kind": "composition"}
    for measure, parts, value in (("whole_share", 3, 0.5), ("whole_share", None, 0.25), ("accuracy", 2, 0.75)):
        assert judge(make_claim(measure=measure, parts=parts, **claim), rows)["statistic"] == pytest.approx(value)
    with pytest.raises(ValueError, match="claim ahead: there are no scores of run FB"):
        judge(make_claim(parts=4, **claim), rows)


def test_seeds_widen_the_interval():
    """Two seeds far apart: problems alone would give a narrow interval around their mean."""
    scores = pd.concat(
        [
            make_accuracies({"FB_rl_6_9": 0.9, "F_rl_6_9": 0.5}, seeds=(0,)),
            make_accuracies({"FB_rl_6_9": 0.6, "F_rl_6_9": 0.5}, seeds=(1,)),
        ]
    )
    row = judge(make_claim(), scores)
    assert row["statistic"] == pytest.approx(0.25)
    assert row["verdict"] == "inconclusive"
    assert row["low"] < 0.15
    assert row["high"] > 0.35


def test_interval_agrees_with_the_normal_one_for_one_seed():
    rng = np.random.default_rng(0)
    values = rng.random(2000) < 0.3
    index = pd.MultiIndex.from_product([[0], range(2000)], names=["seed", "problem_id"])
    low, high = bootstrap_mean(pd.Series(values, index), "claim")
    half_width = 1.96 * values.std() / np.sqrt(2000)
    assert low == pytest.approx(values.mean() - half_width, abs=0.003)
    assert high == pytest.approx(values.mean() + half_width, abs=0.003)


def test_missing_data_is_an_error():
    scores = make_accuracies({"FB_rl_6_9": 0.9, "F_rl_6_9": 0.5})
    with pytest.raises(ValueError, match=r"claim ahead: there are no scores of run F_rl_6_9 on all in steps_6_9"):
        check_claims([make_claim()], scores[scores["run"] != "F_rl_6_9"])
    with pytest.raises(ValueError, match="no scores of run FB_rl_6_9 on inversion"):
        check_claims([make_claim(kind="inversion")], scores[scores["kind"] != "inversion"])
    with pytest.raises(ValueError, match="not evaluated on the same problems"):
        check_claims([make_claim()], scores.drop(scores[scores["run"] == "F_rl_6_9"].index[:1]))


def make_claims_spec(evaluations, seeds=(0,)):
    return ClaimsSpec((make_claim(),), tuple(evaluations), seeds, "c0ffee")


def test_claims_are_written_with_a_sidecar(tmp_path):
    scores = add_checkpoints(make_accuracies({"FB_rl_6_9": 0.9, "F_rl_6_9": 0.5}), tmp_path / "checkpoints")
    files = write_run_scores(scores, tmp_path / "scores")
    spec = make_claims_spec([("FB_rl_6_9", "steps_6_9"), ("F_rl_6_9", "steps_6_9")])
    outputs = [tmp_path / f"claims.{ending}" for ending in ("md", "csv", "json")]
    write_claims(parse_spec(ClaimsSpec, dump_spec(spec)), files, *outputs)
    table = pd.read_csv(outputs[1])
    assert list(table) == COLUMNS
    assert table["verdict"].item() == "reproduced"
    assert "| FB is ahead. | reproduced | 40.0 [" in outputs[0].read_text()
    record = json.loads(outputs[2].read_text())
    assert {row["run"] for row in record["checkpoints"]} == {"FB_rl_6_9", "F_rl_6_9"}
    outputs[1].unlink()
    with pytest.raises(ValueError, match="claims: there are no scores for run FB_rl_6_9, suite steps_6_9, seed 1"):
        write_claims(make_claims_spec(spec.evaluations, (0, 1)), files, *outputs)
    assert not outputs[1].exists()


@pytest.mark.parametrize(("answered", "verdict"), [(0.0, "inconclusive"), (0.895, "inconclusive"), (0.9, "reproduced")])
def test_claim_that_a_share_is_low_is_only_won_by_a_model_that_answers(answered, verdict):
    """Fails on e4aa0fc: a model that answered nothing was below any threshold."""
    scores = make_accuracies({"F_rl_6_9": 0.0})
    scores["answered"] = scores.groupby("kind").cumcount() < round(answered * PROBLEMS)
    low = make_claim(terms={"F_rl_6_9": 1}, comparison="below", threshold=0.2)
    row = judge(low, scores)
    assert (row["verdict"], row["answered"]) == (verdict, pytest.approx(answered))
    assert f"| {verdict} | 0.0 [0.0, 0.0] | below 20 | {100 * answered:.1f} |" in format_claims(row.to_frame().T)


def test_missing_answers_decide_no_other_claim():
    scores = make_accuracies({"F_rl_6_9": 0.5}).assign(answered=False)
    for comparison, threshold, verdict in (("below", 0.2, "not reproduced"), ("above", 0.2, "reproduced")):
        claim = make_claim(terms={"F_rl_6_9": 1}, comparison=comparison, threshold=threshold)
        assert judge(claim, scores)["verdict"] == verdict


def test_answers_are_counted_over_the_completions_of_the_claim():
    scores = make_accuracies({"B": 0.0, "F": 0.0, "FB": 0.0})
    scores["answered"] = scores["run"].map({"B": False, "F": True, "FB": True}) & (scores["kind"] == "evaluation")
    for kind, terms, share in (("evaluation", {"F": 1, "FB": -1}, 1.0), ("evaluation", {"F": 1, "B": -1}, 0.5)):
        assert judge(make_claim(kind=kind, terms=terms), scores)["answered"] == share
    assert judge(make_claim(kind="all", terms={"F": 1}), scores)["answered"] == 0.5


def test_table_gives_percent():
    row = judge(make_claim(), make_accuracies({"FB_rl_6_9": 0.9, "F_rl_6_9": 0.5})).to_frame().T
    assert "above 25" in format_claims(row)
