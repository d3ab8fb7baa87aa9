import itertools
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_scores import make_rows, make_scores

from selectimprove.measurement.analysis import (
    check_groups,
    count_lucky_guesses,
    estimate_pass_at_k,
    select_curves,
    summarize_accuracy,
    summarize_coverage,
    summarize_pass_at_k,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("right", "problems", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998), Table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_has_published_values(right, problems, low, high):
    assert wilson_interval(right / problems, problems) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("problems", [1, 3, 10, 97, 512, 1024])
def test_wilson_interval_holds_its_accuracy(problems):
    assert wilson_interval(0.0, problems)[0] == 0
    assert wilson_interval(1.0, problems)[1] == 1
    for right in range(problems + 1):
        low, high = wilson_interval(right / problems, problems)
        assert 0 <= low <= right / problems <= high <= 1


def test_accuracy_is_a_mean_over_problems_not_over_completions():
    often = pd.concat([make_rows("F", 0, "evaluation", 6, [True])] * 3)  # one problem, three right completions
    once = make_rows("F", 0, "evaluation", 7, [False])
    summary = summarize_accuracy(pd.concat([often, once]), ["run"]).iloc[0]
    assert summary["accuracy"] == 0.5
    assert summary["problems"] == 2
    assert (summary["low"], summary["high"]) == wilson_interval(0.5, 2)


def test_same_problem_id_of_two_seeds_is_two_problems():
    rows = pd.concat([make_rows("F", 0, "evaluation", 6, [True, False], seed=seed) for seed in (0, 1)])
    rows["problem_id"] = rows["problem_id"].str.replace("/1/", "/0/")
    summary = summarize_accuracy(rows, ["kind"]).iloc[0]
    assert (summary["problems"], summary["seeds"]) == (4, 2)


def test_summary_has_one_row_a_group_in_order():
    scores = make_scores(lambda run, step, kind, length: length / 10, runs=["F"])
    summary = summarize_accuracy(scores, ["kind", "steps"])
    columns = ["kind", "steps", "accuracy", "low", "high", "problems", "seeds"]
    assert list(summary.columns) == columns
    assert list(summary["kind"]) == ["evaluation"] * 4 + ["inversion"] * 4
    assert list(summary["accuracy"]) == pytest.approx([0.6, 0.7, 0.8, 0.9] * 2)
    assert ((summary["low"] < summary["accuracy"]) & (summary["accuracy"] < summary["high"])).all()


def test_summary_of_nothing_is_an_error():
    scores = make_scores(lambda *cell: 1.0, runs=["F"])
    with pytest.raises(ValueError, match="no scores"):
        summarize_accuracy(scores[:0], ["run"])
    with pytest.raises(ValueError, match="160 scores have no forced_strategy"):
        summarize_accuracy(scores, ["forced_strategy"])


def test_missing_group_is_named():
    scores = make_scores(lambda *cell: 1.0, runs=["F", "B"])
    present = scores[(scores["run"] == "F") | (scores["kind"] == "evaluation")]
    with pytest.raises(ValueError, match="no scores for run B, kind inversion$"):
        check_groups(present, {"run": ("F", "B"), "kind": ("evaluation", "inversion")})


def test_curve_starts_with_its_sft_run():
    scores = make_scores(lambda run, step, kind, length: step / 100 + (0.1 if run == "F" else 0.2))
    rows = select_curves(scores)
    assert sorted(rows["curve"].unique()) == ["B", "F", "FB"]
    curve = summarize_accuracy(rows[rows["curve"] == "F"], ["run", "checkpoint_step"])
    assert list(zip(curve["run"], curve["checkpoint_step"], strict=True)) == [
        ("F", 0),
        ("F_rl_6_9", 25),
        ("F_rl_6_9", 50),
    ]
    assert list(curve["accuracy"]) == pytest.approx([0.1, 0.45, 0.7])


def test_runs_from_one_start_are_curves_of_their_own_name():
    scores = make_scores(lambda *cell: 1.0, runs=["F", "F_rl_2_5", "F_rl_6_9"])
    rows = select_curves(scores)
    assert sorted(rows["curve"].unique()) == ["F_rl_2_5", "F_rl_6_9"]
    assert (rows[rows["run"] == "F"]["curve"].value_counts() == 160).all()


def test_run_that_continues_another_has_no_step_zero():
    scores = make_scores(lambda *cell: 1.0, runs=["F"])
    later = make_rows("F_then_6_9", 25, "evaluation", 6, [True], training="rl_2_5+rl_6_9")
    assert list(select_curves(pd.concat([scores, later]))["checkpoint_step"].unique()) == [25]


def test_start_is_taken_on_the_seeds_and_suites_of_the_run():
    scores = make_scores(lambda *cell: 1.0, runs=["F"], seeds=(0, 1))
    trained = make_scores(lambda *cell: 1.0, runs=["F_rl_6_9"], seeds=(1,))
    assert set(select_curves(pd.concat([scores, trained]))["seed"]) == {1}


def test_missing_start_or_run_is_named():
    scores = make_scores(lambda *cell: 1.0, seeds=(0, 1))
    with pytest.raises(ValueError, match="SFT run B for seed 1, suite steps_6_9"):
        select_curves(scores[(scores["run"] != "B") | (scores["seed"] == 0)])
    with pytest.raises(ValueError, match="RL run that starts from FB"):
        select_curves(scores[scores["run"] != "FB_rl_6_9"])
    with pytest.raises(ValueError, match="no scores of an RL run$"):
        select_curves(scores[:0])


@given(st.integers(1, 12), st.data())
def test_pass_at_k_is_the_share_of_choices_with_a_correct_one(completions, data):
    correct = data.draw(st.integers(0, completions))
    k = data.draw(st.integers(1, completions))
    choices = list(itertools.combinations([True] * correct + [False] * (completions - correct), k))
    assert estimate_pass_at_k(completions, correct, k) == pytest.approx(sum(map(any, choices)) / len(choices))


@pytest.mark.parametrize(("completions", "correct", "k"), [(4, 5, 1), (4, 2, 5), (4, 2, 0), (4, -1, 1)])
def test_pass_at_k_refuses_counts_that_cannot_be(completions, correct, k):
    with pytest.raises(ValueError, match=f"pass@{k} needs"):
        estimate_pass_at_k(completions, correct, k)


def test_pass_at_k_needs_as_many_completions_of_each_problem():
    scores = pd.concat([make_rows("FB", 0, "evaluation", 6, [True, False]).assign(sample=i) for i in range(2)])
    summary = summarize_pass_at_k(scores, ["kind"], [1, 2])
    assert list(summary["pass_at_k"]) == [0.5, 0.5]
    assert (summary["low"] <= summary["pass_at_k"]).all()
    with pytest.raises(ValueError, match="as many completions of each problem"):
        summarize_pass_at_k(scores.iloc[1:], ["kind"], [1])


def test_coverage_needs_the_sft_scores_on_the_same_problems():
    before, after = make_rows("FB", 0, "evaluation", 6, [True, False]), make_rows("FB_rl", 5, "evaluation", 6, [True])
    with pytest.raises(ValueError, match="no scores of the SFT run FB"):
        summarize_coverage(after, ["kind"])
    with pytest.raises(ValueError, match="not evaluated on the same problems"):
        summarize_coverage(pd.concat([before, after]), ["kind"])


@pytest.mark.parametrize(("guesses", "order", "most"), [(256, 11, 35), (11, 11, 4), (1, 11, 1), (4, 11, 2)])
def test_lucky_guesses_are_the_binomial_quantile(guesses, order, most):
    """Checked against sums over the binomial distribution in whole numbers."""
    ways = [math.comb(guesses, right) * (order - 1) ** (guesses - right) for right in range(guesses + 1)]
    assert count_lucky_guesses(guesses, order) == most
    assert 100 * sum(ways[: most + 1]) >= 99 * order**guesses > 100 * sum(ways[:most])
