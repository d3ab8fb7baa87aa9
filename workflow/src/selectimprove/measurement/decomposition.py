"""Selection and improvement: the gain of RL over its SFT start, split into the two (see gains.py).

In a cell, the problems of one seed, kind and number of steps, the skill of the strategy that a checkpoint follows less
often is that of completions made to begin with it, so that it is known even where the model no longer picks it; a
completion that does not follow it then is not right by it. The skill of the other follows from the accuracy. Mixed
completions, which open with one strategy and go on in the other, and those that open with none are a third strategy and
a fourth, each with a skill of its own: that before where there are none after, and the reverse.
"""

import numpy as np
import pandas as pd

from selectimprove.measurement.analysis import RESAMPLES, check_pooling, credit_strategies, draw_resamples
from selectimprove.measurement.gains import Tally, split_tallies, summarize_parts
from selectimprove.seeds import hash_seed

STRATEGY_ORDER = ("forward", "backward", "none", "mixed")
FORCED = STRATEGY_ORDER[:2]
CELL = ["seed", "kind", "steps"]


def find_step_ranges(scores: pd.DataFrame) -> list[tuple[int, int]]:
    """Return the lowest and highest number of steps of each suite whose completions open freely, short ones first.

    Suites of several tasks that share a range have it once.
    """
    free = scores[scores["forced_strategy"].isna()]
    return sorted(set(free.groupby("suite")["steps"].agg(["min", "max"]).itertuples(index=False, name=None)))


def measure_problems(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row a checkpoint and problem, indexed by run, checkpoint_step, seed, kind, steps and problem_id.

    Columns, means over the problem's completions: correct; those of STRATEGY_ORDER (followed so) and these with the
    ending _correct (so and right); forced_forward, forced_backward (right by it when made to begin so; missing for
    problems that were not).

    Raises ValueError on compositions, which have a strategy a part, on strategies other than these, and on a checkpoint
    without forced completions.
    """
    if (scores["parts"] > 1).any():
        raise ValueError("the gain on compositions cannot be decomposed: they have a strategy for each part")
    others = set(scores["strategy"]) - set(STRATEGY_ORDER)
    if others:
        raise ValueError(f"the gain is split between {', '.join(STRATEGY_ORDER)}, but there is {min(others)}")
    keys = ["run", "checkpoint_step", *CELL, "problem_id"]
    is_free = scores["forced_strategy"].isna()
    free, forced = scores[is_free], credit_strategies(scores[~is_free])
    measures = {name: free["strategy"] == name for name in STRATEGY_ORDER}
    measures |= {f"{name}_correct": measures[name] & free["correct"] for name in STRATEGY_ORDER}
    problems = free.assign(**measures).groupby(keys)[["correct", *measures]].mean()
    for strategy in FORCED:
        of_strategy = forced[forced["forced_strategy"] == strategy].groupby(keys)["correct"].mean()
        problems[f"forced_{strategy}"] = of_strategy
        bare = problems[f"forced_{strategy}"].isna().groupby(keys[:-1]).all()
        if bare.any():
            where = ", ".join(f"{key} {value}" for key, value in zip(keys, bare.idxmax(), strict=False))
            raise ValueError(f"there are no scores of completions made to open {strategy} for {where}")
    return problems


def draw_weights(is_forced: np.ndarray, resamples: int, *key: str | int) -> np.ndarray:
    """Return weights of the problems of one cell, shape (1 + resamples, problems); each row sums to 1.

    Row 0 weighs all alike, the others are bootstrap draws; problems with forced completions and without are drawn
    apart, so that no draw lacks either.
    """
    generator = np.random.default_rng(hash_seed("bootstrap", *key))
    weights = np.ones((1 + resamples, len(is_forced)))
    for stratum in (np.flatnonzero(is_forced), np.flatnonzero(~is_forced)):
        if len(stratum):
            weights[1:, stratum] = draw_resamples(len(stratum), resamples, generator)
    return weights / len(is_forced)


def tally_problems(problems: pd.DataFrame) -> Tally:
    """Return the tally of rows of measure_problems; strategies are in the order of STRATEGY_ORDER."""
    forced = np.full((len(problems), len(STRATEGY_ORDER)), np.nan)
    forced[:, : len(FORCED)] = problems[[f"forced_{name}" for name in FORCED]].to_numpy(float)
    return Tally(
        problems["correct"].to_numpy(float),
        problems[list(STRATEGY_ORDER)].to_numpy(float),
        problems[[f"{name}_correct" for name in STRATEGY_ORDER]].to_numpy(float),
        forced,
    )


def decompose_gains(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return the gain of each RL checkpoint over the SFT model at its root, split into selection and improvement.

    by: any of seed, kind, steps; cells are pooled over the others, each with the weight of its problems. Columns: run,
    checkpoint_step, those of `by`, problems, and for each of gain, selection and improvement (fractions) its value,
    and with the endings _low and _high its 95 % percentile bootstrap interval over problems (not over seeds),
    widened to its value where that is outside, if by rounding alone.

    Raises ValueError if there is no RL run, if free or forced scores of a checkpoint or of its SFT start are missing,
    or if free ones, or those forced to one strategy, are of several suites.
    """
    trained = scores[scores["checkpoint_step"] > 0]
    if trained.empty:
        raise ValueError("there are no scores of an RL run, so no gain to decompose")
    is_free = scores["forced_strategy"].isna()
    check_pooling(scores[is_free], ["run", "checkpoint_step", *by])
    check_pooling(scores[~is_free], ["run", "checkpoint_step", "forced_strategy", *by])
    problems = measure_problems(scores)
    roots = trained.groupby("run")["sft_run"].first()
    parts = {}
    for key, after in problems.groupby(["run", "checkpoint_step", *CELL]):
        run, step, *cell = key
        if step == 0:
            continue
        start = (roots[run], 0, *cell)
        if start not in problems.index:
            where = ", ".join(f"{name} {value}" for name, value in zip(CELL, cell, strict=True))
            raise ValueError(f"there are no scores of the SFT run {roots[run]} for {where}")
        before = problems.loc[start].loc[after.index.get_level_values("problem_id")]
        weights = draw_weights(after["forced_forward"].notna().to_numpy(), RESAMPLES, *map(str, cell))
        split, *_ = split_tallies(tally_problems(before), tally_problems(after), weights)
        parts[key] = (len(after), split)
    cells = pd.DataFrame(
        [(*key, *value) for key, value in parts.items()],
        columns=["run", "checkpoint_step", *CELL, "problems", "parts"],
    )
    keys = ["run", "checkpoint_step", *by]
    rows = []
    for key, group in cells.groupby(keys):
        total = np.average(np.stack(group["parts"]), axis=0, weights=group["problems"])
        row = dict(zip(keys, key, strict=True)) | {"problems": group["problems"].sum()}
        rows.append(row | summarize_parts(total))
    return pd.DataFrame(rows)
