"""Selection and improvement of models whose routing and skill are known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_scores import make_rows

from selectimprove.measurement import decomposition
from selectimprove.measurement.decomposition import decompose_gains
from selectimprove.measurement.gains import PARTS, split_gain
from selectimprove.tasks.strategies import SUITED

PROBLEMS = 40  # a cell
FACTORS = st.floats(0, 1)


def make_checkpoint(run, step, kind, length, forward_share, skill, seed=0, **shares):
    """Return free and forced rows of one checkpoint in one cell with exactly this routing and skill.

    skill: share of right completions by strategy; shares are multiples of 1 / PROBLEMS, also among those that follow
    it. shares: of what is neither forward nor backward.
    """
    others = {name: round(PROBLEMS * share) for name, share in shares.items()}
    forward = round(PROBLEMS * forward_share)
    counts = {"forward": forward, "backward": PROBLEMS - forward - sum(others.values()), **others}
    strategies = [name for name, count in counts.items() for _ in range(count)]
    correct = [i < round(count * skill.get(name, 0)) for name, count in counts.items() for i in range(count)]
    parts = [make_rows(run, step, kind, length, correct, seed).assign(strategy=strategies)]
    for name in ("forward", "backward"):
        right = [index < round(PROBLEMS * skill[name]) for index in range(PROBLEMS)]
        parts.append(make_rows(run, step, kind, length, right, seed).assign(strategy=name, forced_strategy=name))
    return pd.concat(parts, ignore_index=True)


def make_pair(before, after, kind="evaluation", length=6, seed=0, run="FB_rl_6_9"):
    return pd.concat(
        [make_checkpoint("FB", 0, kind, length, *before, seed), make_checkpoint(run, 50, kind, length, *after, seed)],
        ignore_index=True,
    )


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(decomposition, "RESAMPLES", 50)


@given(st.lists(st.tuples(FACTORS, FACTORS, FACTORS, FACTORS), min_size=1, max_size=4))
def test_parts_add_up_to_the_gain_for_any_factors(cells):
    routing_before, skill_before, routing_after, skill_after = np.array(cells).T
    selection, improvement = split_gain(routing_before, skill_before, routing_after, skill_after)
    gain = (routing_after * skill_after).sum() - (routing_before * skill_before).sum()
    assert selection + improvement == pytest.approx(gain, abs=1e-12)


def test_routing_alone_is_selection_and_skill_alone_improvement():
    skill = {"forward": 0.8, "backward": 0.1}
    row = decompose_gains(make_pair((0.5, skill), (1.0, skill)), ["kind"]).iloc[0]
    assert row["selection"] == pytest.approx(0.5 * 0.7)
    assert row["improvement"] == pytest.approx(0)
    row = decompose_gains(make_pair((0.5, skill), (0.5, {"forward": 1.0, "backward": 0.2})), ["kind"]).iloc[0]
    assert row["selection"] == pytest.approx(0)
    assert row["improvement"] == pytest.approx(0.5 * 0.2 + 0.5 * 0.1)


def test_known_routing_and_skill_give_known_parts():
    before, after = (0.5, {"forward": 0.3, "backward": 0.1}), (1.0, {"forward": 0.9, "backward": 0.1})
    row = decompose_gains(make_pair(before, after), ["kind", "steps"]).iloc[0]
    # Routing first: 0.5 * (0.3 - 0.1), or last: 0.5 * (0.9 - 0.1); selection is their mean.
    assert row["selection"] == pytest.approx((0.5 * 0.2 + 0.5 * 0.8) / 2, abs=1e-12)
    assert row["improvement"] == pytest.approx((1.0 * 0.6 + 0.5 * 0.6) / 2, abs=1e-12)
    assert row["gain"] == pytest.approx(0.7, abs=1e-12)
    assert row["problems"] == PROBLEMS
    assert row["selection_low"] <= row["selection"] <= row["selection_high"]


def test_skill_of_a_strategy_no_longer_picked_is_the_forced_one():
    """Its loss counts by half of the routing that it had before: 0.5 of the completions, then none."""
    before, after = (0.5, {"forward": 1.0, "backward": 0.8}), (1.0, {"forward": 1.0, "backward": 0.0})
    row = decompose_gains(make_pair(before, after), ["kind"]).iloc[0]
    assert row["improvement"] == pytest.approx(-0.8 * (0.5 + 0) / 2)
    assert row["selection"] == pytest.approx(0.1 + 0.2)


def test_parts_add_up_to_the_measured_gain_whatever_the_forced_skill():
    """Free and forced completions are samples: their skills differ, and the sum must not."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = make_pair((0.5, {"forward": 0.5, "backward": 0.5}), (0.5, {"forward": 0.5, "backward": 0.5}))
        scores["correct"] = rng.random(len(scores)) < 0.5
        free = scores["forced_strategy"].isna()
        scores.loc[free, "strategy"] = rng.choice(["forward", "backward", "none", "mixed"], free.sum())
        row = decompose_gains(scores, ["kind"]).iloc[0]
        measured = scores[free].groupby("checkpoint_step")["correct"].mean()
        assert row["selection"] + row["improvement"] == pytest.approx(measured[50] - measured[0], abs=1e-12)
        assert row["gain"] == pytest.approx(measured[50] - measured[0], abs=1e-12)


@pytest.mark.parametrize(("name", "right"), [("none", 0.0), ("mixed", 0.4)])
def test_what_is_neither_strategy_is_one_of_its_own(name, right):
    skill = {"forward": 0.8, "backward": 0.2, name: right}
    scores = pd.concat(
        [
            make_checkpoint("FB", 0, "evaluation", 6, 0.5, skill, **{name: 0.5}),
            make_checkpoint("FB_rl_6_9", 50, "evaluation", 6, 1.0, skill),
        ]
    )
    row = decompose_gains(scores, ["kind"]).iloc[0]
    assert row["gain"] == pytest.approx(0.8 - (0.5 * 0.8 + 0.5 * right))
    assert row["selection"] == pytest.approx(0.5 * 0.8 - 0.5 * right)
    assert row["improvement"] == pytest.approx(0)


def test_improvement_of_mixed_completions_is_improvement():
    before, after = ({"forward": 0.8, "backward": 0.2, "mixed": right} for right in (0.4, 1.0))
    scores = pd.concat(
        [
            make_checkpoint("FB", 0, "evaluation", 6, 0.5, before, mixed=0.5),
            make_checkpoint("FB_rl_6_9", 50, "evaluation", 6, 0.5, after, mixed=0.5),
        ]
    )
    row = decompose_gains(scores, ["kind"]).iloc[0]
    assert (row["selection"], row["improvement"]) == (pytest.approx(0), pytest.approx(0.5 * 0.6))


def test_forced_completion_that_does_not_follow_is_no_skill():
    """Half of those made to begin backward are mixed, and right: so backward's skill is not theirs."""
    before = (0.5, {"forward": 1.0, "backward": 0.5})
    scores = make_pair(before, (1.0, {"forward": 1.0, "backward": 1.0}))
    trained = (scores["forced_strategy"] == "backward") & (scores["checkpoint_step"] == 50)
    scores.loc[trained[trained].index[::2], "strategy"] = "mixed"
    row = decompose_gains(scores, ["kind"]).iloc[0]
    assert row["improvement"] == pytest.approx(0)
    assert row["selection"] == pytest.approx(0.25)


def test_cells_are_pooled_with_the_weight_of_their_problems_and_seeds_apart():
    flat = {"forward": 0.5, "backward": 0.5}
    scores = pd.concat(
        [
            make_pair((0.5, flat), (0.5, {"forward": 1.0, "backward": 1.0}), kind="evaluation", seed=0),
            make_pair((0.5, flat), (0.5, flat), kind="evaluation", seed=1),
            make_pair((0.5, flat), (0.5, flat), kind="inversion", length=7, seed=0),
        ]
    )
    gains = decompose_gains(scores, []).set_index("run")
    assert gains.loc["FB_rl_6_9", "gain"] == pytest.approx(0.5 / 3)
    by_seed = decompose_gains(scores, ["kind", "seed"]).set_index(["kind", "seed"])["improvement"]
    assert by_seed["evaluation", 0] == pytest.approx(0.5)
    assert by_seed["evaluation", 1] == pytest.approx(0)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """A run whose true gain is known, drawn 60 times: 95 % intervals of 50 resamples miss a few of them."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(60):
        scores = make_pair((0.5, {"forward": 0.5, "backward": 0.5}), (0.5, {"forward": 0.5, "backward": 0.5}))
        truth = scores["checkpoint_step"].map({0: 0.4, 50: 0.7})
        scores["correct"] = rng.random(len(scores)) < truth
        row = decompose_gains(scores, ["kind"]).iloc[0]
        hits += row["improvement_low"] <= 0.3 <= row["improvement_high"]
    assert 48 <= hits <= 60


def test_missing_scores_are_errors():
    skill = {"forward": 0.8, "backward": 0.1}
    scores = make_pair((0.5, skill), (1.0, skill))
    with pytest.raises(ValueError, match="made to open backward for run FB_rl_6_9, checkpoint_step 50"):
        decompose_gains(scores[~((scores["forced_strategy"] == "backward") & (scores["run"] != "FB"))], ["kind"])
    with pytest.raises(ValueError, match="no scores of the SFT run FB for seed 0, kind evaluation, steps 6"):
        decompose_gains(scores[scores["run"] != "FB"], ["kind"])
    with pytest.raises(ValueError, match="no scores of an RL run"):
        decompose_gains(scores[scores["run"] == "FB"], ["kind"])
    with pytest.raises(ValueError, match="split between forward, backward, none, mixed, but there is sideways"):
        decompose_gains(scores.assign(strategy="sideways"), ["kind"])
    with pytest.raises(ValueError, match="compositions cannot be decomposed"):
        decompose_gains(scores.assign(parts=2), ["kind"])


def test_bounds_surround_every_part():
    rng = np.random.default_rng(2)
    parts = [
        make_pair((0.5, {"forward": 0.3, "backward": 0.2}), (0.95, {"forward": 0.8, "backward": 0.1}), kind, length)
        for kind in SUITED
        for length in (6, 7)
    ]
    scores = pd.concat(parts, ignore_index=True)
    scores["correct"] &= rng.random(len(scores)) < 0.9
    table = decompose_gains(scores, ["kind"])
    for part in PARTS:
        assert (table[f"{part}_low"] < table[part]).all()
        assert (table[part] < table[f"{part}_high"]).all()


def test_suites_that_share_a_range_of_steps_have_it_once():
    """As those of several tasks do, in a figure of bases of several sizes."""
    short, long = (make_rows("FB", 0, "evaluation", length, [True] * 4) for length in (6, 9))
    rows = pd.concat([short, long, make_rows("FB", 0, "evaluation", 2, [True] * 4)], ignore_index=True)
    suites = [["steps_6_9"] * 8 + ["steps_2"] * 4, ["steps_6_9_8m"] * 8 + ["steps_2"] * 4]
    scores = pd.concat([rows.assign(suite=names, forced_strategy=None) for names in suites], ignore_index=True)
    assert decomposition.find_step_ranges(scores) == [(2, 2), (6, 9)]
