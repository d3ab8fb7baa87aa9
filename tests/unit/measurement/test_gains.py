"""The decomposition for any tables: exact sums, names do not matter, known parts come back, bounds, errors."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selectimprove.measurement.gains import PARTS, decompose_tables

NAMES = ("code", "prose", "guess")


def draw_table(generator, shares, skills, problems=40, completions=4, names=NAMES):
    """Return completions of a model that follows strategies by these shares and is right by these skills."""
    followed = generator.choice(len(names), size=problems * completions, p=shares)
    return pd.DataFrame(
        {
            "problem": np.repeat(np.arange(problems), completions),
            "strategy": [names[index] for index in followed],
            "correct": generator.random(problems * completions) < np.array(skills)[followed],
        }
    )


def draw_forced(generator, skills, problems=40, completions=2, names=NAMES):
    rows = [
        (problem, name, generator.random() < skill)
        for problem in range(problems)
        for name, skill in zip(names, skills, strict=True)
        for _ in range(completions)
    ]
    return pd.DataFrame(rows, columns=["problem", "strategy", "correct"])


shares = (
    st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any).map(lambda values: np.divide(values, sum(values)))
)
skills = st.lists(st.floats(0, 1), min_size=3, max_size=3)


@given(shares, skills, shares, skills, st.integers(0, 2**32), st.booleans())
def test_parts_sum_to_the_gain_and_names_do_not_matter(shares0, skills0, shares1, skills1, seed, with_forced):
    generator = np.random.default_rng(seed)
    tables = [draw_table(generator, *model) for model in ((shares0, skills0), (shares1, skills1))]
    forced = tuple(draw_forced(generator, model) for model in (skills0, skills1)) if with_forced else None
    counts = pd.concat([*tables, *(forced or [])])["strategy"].value_counts()
    if (counts == 1).any():
        return
    [row] = decompose_tables(*tables, forced=forced, resamples=20).to_dict("records")
    gain = tables[1]["correct"].mean() - tables[0]["correct"].mean()
    assert row["gain"] == pytest.approx(gain, abs=1e-12)
    assert row["selection"] + row["improvement"] == pytest.approx(gain, abs=1e-12)
    assert row["improvement_least"] - 1e-12 <= row["improvement"] <= row["improvement_most"] + 1e-12
    others = {"code": "z", "prose": "a", "guess": "m"}
    renamed = [table.assign(strategy=table["strategy"].map(others)) for table in (*tables, *(forced or []))]
    [again] = decompose_tables(*renamed[:2], forced=tuple(renamed[2:]) or None, resamples=20).to_dict("records")
    for part in PARTS:
        for end in ("", "_low", "_high"):
            assert again[part + end] == pytest.approx(row[part + end], abs=1e-12)


def test_known_parts_come_back_within_their_intervals():
    """Of a hundred draws of one model: about 95 times; fewer than 88 have odds of 1 in 500."""
    model0, model1 = ((0.3, 0.5, 0.2), (0.8, 0.4, 0.1)), ((0.7, 0.2, 0.1), (0.9, 0.6, 0.1))
    (routing0, skill0), (routing1, skill1) = (map(np.array, model) for model in (model0, model1))
    known = {
        "selection": ((routing1 - routing0) * (skill0 + skill1) / 2).sum(),
        "improvement": ((skill1 - skill0) * (routing0 + routing1) / 2).sum(),
        "gain": (routing1 * skill1 - routing0 * skill0).sum(),
    }
    within = dict.fromkeys(known, 0)
    for seed in range(100):
        generator = np.random.default_rng(seed)
        tables = [draw_table(generator, *model, problems=120) for model in (model0, model1)]
        [row] = decompose_tables(*tables, resamples=200).to_dict("records")
        for part, value in known.items():
            within[part] += row[f"{part}_low"] <= value <= row[f"{part}_high"]
    assert all(count >= 88 for count in within.values()), within


def make_table(*rows):
    return pd.DataFrame(rows, columns=["problem", "strategy", "correct"])


def test_groups_and_a_case_by_hand():
    """Problem 1 goes from prose, half right, to code, right: the gain is half, and what is selection is not known."""
    before = make_table((1, "prose", 1), (1, "prose", 0), (2, "prose", 1), (2, "prose", 1)).assign(kind=list("aabb"))
    after = make_table((1, "code", 1), (1, "code", 1), (2, "prose", 1), (2, "prose", 1)).assign(kind=list("aabb"))
    table = decompose_tables(before, after, by=["kind"]).set_index("kind")
    assert table.loc["a", ["gain", "selection", "improvement"]].tolist() == [0.5, 0.5, 0.0]
    # Code before from 0 to 1 and prose after from 0 to 1: each counts half.
    assert table.loc["a", ["improvement_least", "improvement_most"]].tolist() == [-0.25, 0.75]
    assert table["unknown"].to_dict() == {"a": "code, prose", "b": ""}
    assert table.loc["b", ["gain", "selection", "improvement"]].tolist() == [0, 0, 0]
    forced = [make_table((1, "code", 0), (1, "prose", 0)), make_table((1, "code", 1), (1, "prose", 1))]
    [row] = decompose_tables(before[before["kind"] == "a"], after[after["kind"] == "a"], forced=tuple(forced)).to_dict(
        "records"
    )
    # Code 0 before, 1 after; prose 0.5 before, by the accuracy, and 1 after.
    assert (row["selection"], row["improvement"], row["unknown"]) == (-0.25, 0.75, "")


GOOD = make_table((1, "a", 1), (1, "b", 0), (2, "a", 1), (2, "b", 1))


@pytest.mark.parametrize(
    ("before", "after", "forced", "told"),
    [
        (
            GOOD.drop(columns="strategy"),
            GOOD,
            None,
            "before: there is no column 'strategy'; found are problem, correct",
        ),
        (GOOD, GOOD.iloc[:0], None, "after: there are no completions"),
        (GOOD, GOOD.assign(correct=[1, 0, 2, 1]), None, "after: column 'correct': found 2, must be true or false"),
        (GOOD, GOOD.assign(strategy=["a", None, "a", "b"]), None, "after: column 'strategy' has missing values"),
        (GOOD, GOOD[GOOD["problem"] == 1], None, "all: problem 2 is in one of the tables before and after alone"),
        (GOOD, GOOD.assign(strategy=["a", "B", "a", "b"]), None, "strategy 'B' is that of one completion alone"),
        (GOOD, GOOD, (GOOD, GOOD.assign(problem=[1, 1, 3, 3])), "all: problem 3 has forced completions and no others"),
        (GOOD, GOOD, (GOOD, GOOD.drop(columns="correct")), "forced after: there is no column 'correct'"),
    ],
)
def test_bad_tables_are_told(before, after, forced, told):
    with pytest.raises(ValueError, match=f"^{told}"):
        decompose_tables(before, after, forced=forced)
