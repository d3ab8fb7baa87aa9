"""Selection and improvement for tables of completions of any task, any model and any number of strategies.

In a cell, accuracy is the sum over strategies of routing (the share of completions that follow the strategy) times
skill (the share of those that are right). Either factor may move. The gain from one table to another is split by their
Shapley values (Shapley, "A value for n-person games", 1953), the mean over both orders in which they can move:

    selection   = sum of (routing after - routing before) * (skill before + skill after) / 2
    improvement = sum of (skill after - skill before) * (routing before + routing after) / 2

The two add up to the gain. Where a strategy occurs on one side alone, its skill on the other is not known, unless
completions were forced to follow it there. It is taken to be the same on both, so that nothing of the gain counts as
its improvement; bounds tell what the parts would be if that skill were anything from 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from selectimprove.measurement.analysis import RESAMPLES, draw_resamples
from selectimprove.seeds import hash_seed

PARTS = ("gain", "selection", "improvement")
COLUMNS = ("problem", "strategy", "correct")


@dataclass(frozen=True)
class Tally:
    """What is counted of the completions of one cell, as means over those of each problem.

    correct: shape (problems,). followed: shape (problems, strategies), the share that follows the strategy; right: the
    share that follows it and is right. forced: the share that is right by it of those forced to follow it, nan for
    problems without such.
    """

    correct: np.ndarray
    followed: np.ndarray
    right: np.ndarray
    forced: np.ndarray


def split_gain(
    routing_before: np.ndarray, skill_before: np.ndarray, routing_after: np.ndarray, skill_after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (selection, improvement); all four have shape (..., strategies), the last axis is summed over."""
    selection = (routing_after - routing_before) * (skill_before + skill_after) / 2
    improvement = (skill_after - skill_before) * (routing_before + routing_after) / 2
    return selection.sum(-1), improvement.sum(-1)


def estimate_factors(tally: Tally, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (routing, skill), each of shape (weightings, strategies).

    weights: of the problems, shape (weightings, problems); each row sums to 1.

    The skill of a strategy is that of the completions that follow it, nan without any. Of the strategies that were
    forced it is that of the forced ones instead, which are more, but for the strategy among them that is followed most:
    its skill follows from the accuracy, which so stays the sum of routing times skill. In a tie all of them move alike.
    """
    routing = weights @ tally.followed
    right = weights @ tally.right
    skill = np.divide(right, routing, out=np.full_like(routing, np.nan), where=routing > 0)
    known = ~np.isnan(tally.forced)
    forced = np.flatnonzero(known.any(0))
    if len(forced):
        share, own = routing[:, forced], skill[:, forced]
        weighed = weights @ known[:, forced]
        by_force = np.divide(
            weights @ np.nan_to_num(tally.forced[:, forced]), weighed, out=own.copy(), where=weighed > 0
        )
        most = np.isclose(share, share.max(1, keepdims=True), rtol=0, atol=1e-12)
        skill[:, forced] = np.where(most & (share > 0), own, by_force)
        left = weights @ tally.correct - np.nansum(routing * skill, axis=1)
        shared = np.where(most, share, 0).sum(1)
        moved = np.divide(left, shared, out=np.zeros(len(weights)), where=shared > 0)
        skill[:, forced] += np.where(most, moved[:, None], 0)
    return routing, skill


def fill_unseen(skill: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return `skill` with the other side's where it is nan, and 0 where neither is known."""
    return np.nan_to_num(np.where(np.isnan(skill), other, skill))


def split_tallies(before: Tally, after: Tally, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (gain, selection, improvement), shape (weightings, 3), and what is not known of them.

    That is, for the first weighting: the bounds of improvement, shape (2,), with the skills that are not known as low
    and as high as they can be, and of which strategies one is not known that counts, shape (strategies,).
    """
    (routing_before, skill_before), (routing_after, skill_after) = (
        estimate_factors(tally, weights) for tally in (before, after)
    )
    split = split_gain(
        routing_before,
        fill_unseen(skill_before, skill_after),
        routing_after,
        fill_unseen(skill_after, skill_before),
    )
    bounds = []
    for extreme_before, extreme_after in ((1, 0), (0, 1)):
        skills = [
            np.where(np.isnan(skill[:1]), extreme, skill[:1])
            for skill, extreme in ((skill_before, extreme_before), (skill_after, extreme_after))
        ]
        bounds.append(split_gain(routing_before[:1], skills[0], routing_after[:1], skills[1])[1][0])
    unknown = (np.isnan(skill_before) & (routing_after > 0)) | (np.isnan(skill_after) & (routing_before > 0))
    return np.stack([sum(split), *split], -1), np.array(bounds), unknown[0]


def summarize_parts(parts: np.ndarray) -> dict[str, float]:
    """Return the parts of a gain by name, with the endings _low and _high for their 95 % percentile interval.

    parts: (1 + resamples, 3), in the order of PARTS. An interval is widened to its value where that is outside, if by
    rounding alone.
    """
    low, high = np.percentile(parts[1:], [2.5, 97.5], axis=0)
    low, high = np.minimum(low, parts[0]), np.maximum(high, parts[0])
    row = {}
    for position, name in enumerate(PARTS):
        row |= {name: parts[0, position], f"{name}_low": low[position], f"{name}_high": high[position]}
    return row


def check_completions(table: pd.DataFrame, name: str, by: Sequence[str]) -> pd.DataFrame:
    """Return the columns that are needed of a table of completions, `correct` as numbers.

    Raises ValueError, naming the table, on a missing column, on missing values, or on `correct` that is not 0 or 1.
    """
    wanted = [*COLUMNS, *by]
    missing = [column for column in wanted if column not in table]
    if missing:
        raise ValueError(f"{name}: there is no column {missing[0]!r}; found are {', '.join(map(str, table.columns))}")
    if table.empty:
        raise ValueError(f"{name}: there are no completions")
    table = table[wanted]
    empty = [column for column in wanted if table[column].isna().any()]
    if empty:
        raise ValueError(f"{name}: column {empty[0]!r} has missing values")
    if not table["correct"].isin([0, 1]).all():
        found = table.loc[~table["correct"].isin([0, 1]), "correct"].iloc[0]
        raise ValueError(f"{name}: column 'correct': found {found}, must be true or false, or 1 or 0")
    return table.assign(correct=table["correct"].astype(float))


def tally_cell(free: pd.DataFrame, forced: pd.DataFrame | None, problems: pd.Index, strategies: Sequence[str]) -> Tally:
    """Return the tally of one cell; problems, strategies: their order. Tables are those of check_completions."""
    followed = pd.get_dummies(free["strategy"], dtype=float).reindex(columns=strategies, fill_value=0.0)
    right = followed.mul(free["correct"], axis=0)
    groups = free["problem"]
    if forced is None:
        by_force = np.full((len(problems), len(strategies)), np.nan)
    else:
        shares = forced.pivot_table(index="problem", columns="strategy", values="correct", aggfunc="mean")
        by_force = shares.reindex(index=problems, columns=strategies).to_numpy(float)
    return Tally(
        free.groupby(groups)["correct"].mean().loc[problems].to_numpy(float),
        followed.groupby(groups).mean().loc[problems].to_numpy(float),
        right.groupby(groups).mean().loc[problems].to_numpy(float),
        by_force,
    )


def decompose_tables(
    before: pd.DataFrame,
    after: pd.DataFrame,
    by: Sequence[str] = (),
    forced: tuple[pd.DataFrame, pd.DataFrame] | None = None,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Return the gain from one table of completions to another, split into selection and improvement.

    before, after: a row a completion with the columns problem, strategy and correct, and those of `by`, such as the
    kind of a problem: there is a row for each of their combinations, and one row without any. Both tables have the same
    problems; each counts alike, however many completions it has. forced: tables of the same columns, before and after,
    of completions that were made to follow `strategy`; correct: right, and by it. They need not be of all problems or
    strategies.

    Columns: those of `by`, problems, accuracy_before, accuracy_after, and for each of gain, selection and improvement
    (fractions) its value, and with the endings _low and _high its 95 % percentile bootstrap interval over problems;
    improvement_least and improvement_most, what improvement would be with skills from 0 to 1 where they are not known:
    the same value where all are. Selection is the gain less improvement, also of these. unknown: the strategies whose
    skill is not known, with commas between them.

    Raises ValueError on a table as check_completions does, on problems that differ between the tables, on forced
    completions of other problems, and on a strategy of one completion, which is most likely a misspelt name.
    """
    by = list(by)
    sides = [check_completions(table, name, by) for table, name in ((before, "before"), (after, "after"))]
    sides_forced = None
    if forced is not None:
        names = ("forced before", "forced after")
        sides_forced = [check_completions(table, name, by) for table, name in zip(forced, names, strict=True)]
    counts = pd.concat([*sides, *(sides_forced or [])])["strategy"].value_counts()
    if (single := counts[counts == 1]).size:
        raise ValueError(f"strategy {single.index[0]!r} is that of one completion alone: is its name misspelt?")
    strategies = sorted(counts.index, key=str)
    problems = [side.groupby(by)["problem"].unique() if by else {(): side["problem"].unique()} for side in sides]
    rows = []
    for key in sorted({*problems[0].keys(), *problems[1].keys()}, key=str):
        where = ", ".join(f"{column} {value}" for column, value in zip(by, _as_tuple(key), strict=True)) or "all"
        own = [pd.Index(side.get(key, ())) for side in problems]
        if differing := own[0].symmetric_difference(own[1]).tolist():
            raise ValueError(
                f"{where}: problem {differing[0]!r} is in one of the tables before and after alone; must be in both"
            )
        index = own[0].sort_values(key=lambda values: values.astype(str))
        cells = [_select_cell(side, by, key) for side in sides]
        cells_forced = [None, None]
        if sides_forced is not None:
            cells_forced = [_select_cell(side, by, key) for side in sides_forced]
            if strangers := sorted({*cells_forced[0]["problem"], *cells_forced[1]["problem"]} - {*index}, key=str):
                raise ValueError(f"{where}: problem {strangers[0]!r} has forced completions and no others")
        tallies = [
            tally_cell(cell, by_force, index, strategies) for cell, by_force in zip(cells, cells_forced, strict=True)
        ]
        generator = np.random.default_rng(hash_seed("bootstrap", *map(str, _as_tuple(key))))
        drawn = draw_resamples(len(index), resamples, generator)
        weights = np.concatenate([np.ones((1, len(index))), drawn]) / len(index)
        parts, bounds, unknown = split_tallies(*tallies, weights)
        row = dict(zip(by, _as_tuple(key), strict=True)) | {"problems": len(index)}
        row |= {"accuracy_before": tallies[0].correct.mean(), "accuracy_after": tallies[1].correct.mean()}
        row |= summarize_parts(parts) | {"improvement_least": bounds[0], "improvement_most": bounds[1]}
        names = [str(name) for name, is_unknown in zip(strategies, unknown, strict=True) if is_unknown]
        rows.append(row | {"unknown": ", ".join(names)})
    return pd.DataFrame(rows)


def _as_tuple(key: object) -> tuple:
    return key if isinstance(key, tuple) else (key,)


def _select_cell(table: pd.DataFrame, by: list[str], key: object) -> pd.DataFrame:
    selected = pd.Series(True, index=table.index)
    for column, value in zip(by, _as_tuple(key), strict=True):
        selected &= table[column] == value
    return table[selected]
