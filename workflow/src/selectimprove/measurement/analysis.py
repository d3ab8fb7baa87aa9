"""From the score table (columns: scores.py) to accuracies with intervals, and to the rows behind RL curves.

Accuracies and their bounds are fractions.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from selectimprove.seeds import hash_seed

MODELS = ("B", "F", "FB")  # the order of the paper's tables
RESAMPLES = 1000  # of a bootstrap
Z_95 = 1.959963984540054  # 97.5 % quantile of the normal distribution


def wilson_interval(accuracy: float, problems: int) -> tuple[float, float]:
    """Return the 95 % score interval of an accuracy over `problems` independent problems.

    Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22 (1927).
    """
    shrinkage = 1 + Z_95**2 / problems
    center = (accuracy + Z_95**2 / (2 * problems)) / shrinkage
    spread = math.sqrt(accuracy * (1 - accuracy) / problems + Z_95**2 / (4 * problems**2))
    half_width = Z_95 * spread / shrinkage
    # At 0 and 1 the bound is the accuracy itself; computed, it could round to just past it.
    return (
        0.0 if accuracy == 0 else center - half_width,
        1.0 if accuracy == 1 else center + half_width,
    )


def check_groups(scores: pd.DataFrame, groups: Mapping[str, Sequence]) -> None:
    """Raise ValueError unless the table has rows for each combination of the listed values of these columns."""
    present = set(scores[list(groups)].itertuples(index=False, name=None))
    missing = [values for values in itertools.product(*groups.values()) if values not in present]
    if missing:
        first = ", ".join(f"{column} {value}" for column, value in zip(groups, missing[0], strict=True))
        more = f" and for {len(missing) - 1} more combinations" if len(missing) > 1 else ""
        raise ValueError(f"there are no scores for {first}{more}")


def sort_models(models: Iterable[str]) -> list[str]:
    """Return the models in the order of the paper's tables, then those that it lacks."""
    return sorted(set(models), key=lambda model: (MODELS.index(model) if model in MODELS else len(MODELS), model))


def check_pooling(scores: pd.DataFrame, by: list[str]) -> None:
    """Raise ValueError if a group would be pooled over more than seeds, problems and their completions."""
    alike = ["run", "checkpoint_step", "suite", "forced_strategy"]
    found = scores[list(dict.fromkeys([*by, *alike]))].drop_duplicates()
    pooled = found[found.duplicated(by, keep=False)]
    if pooled.empty:
        return
    group = pooled[(pooled[by] == pooled[by].iloc[0]).all(axis=1)]
    column = next(column for column in alike if group[column].nunique(dropna=False) > 1)
    where = ", ".join(f"{name} {group[name].iloc[0]}" for name in by)
    values = ", ".join(map(str, group[column].unique()))
    raise ValueError(f"the scores of {where} are of more than one {column}, which are not pooled: {values}")


def summarize_accuracy(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return the accuracy of each group, sorted by group: the columns `by`, accuracy, low, high, problems, seeds.

    accuracy: the mean over problems of the share of a problem's completions that are correct (pass@1).
    low, high: the 95 % Wilson interval with n = problems; conservative where problems have several completions.
    problems: pairs of seed and problem; seeds: distinct seeds.

    Raises ValueError on an empty table, on rows that belong to no group, and as check_pooling does.
    """
    if scores.empty:
        raise ValueError("there are no scores to summarize")
    for column in by:
        if scores[column].isna().any():
            raise ValueError(f"{scores[column].isna().sum()} scores have no {column}, so belong to no group")
    check_pooling(scores, by)
    problems = scores.groupby([*by, "seed", "problem_id"], as_index=False)["correct"].mean()
    summary = problems.groupby(by, as_index=False).agg(
        accuracy=("correct", "mean"), problems=("correct", "size"), seeds=("seed", "nunique")
    )
    intervals = [wilson_interval(row.accuracy, row.problems) for row in summary.itertuples()]
    summary["low"], summary["high"] = zip(*intervals, strict=True)
    return summary[[*by, "accuracy", "low", "high", "problems", "seeds"]]


def summarize_share(scores: pd.DataFrame, by: list[str], which: pd.Series) -> pd.DataFrame:
    """Return the share of each group's completions that are marked in `which`: the columns `by`, share, low, high.

    As summarize_accuracy, which does the work, but of any yes or no about a completion.
    """
    summary = summarize_accuracy(scores.assign(correct=which), by)
    return summary.rename(columns={"accuracy": "share"})[[*by, "share", "low", "high"]]


def summarize_settings(scores: pd.DataFrame, axes: Sequence[Sequence[str]], what: str = "runs") -> pd.DataFrame:
    """Return the accuracy at the last checkpoint for each combination of settings, as summarize_accuracy does.

    axes: groups of columns of RUN_COLUMNS, the first of them the model.

    Raises ValueError if two runs share a combination, calling them `what`, or if one of the values of each group lacks
    scores.
    """
    last = select_last(scores)
    by = [column for axis in axes for column in axis]
    if last.groupby(by)["run"].nunique().max() > 1:
        raise ValueError(f"two {what} of one model have the same {', '.join(by[1:])}")
    cells = summarize_accuracy(last, by)
    present = set(cells[by].itertuples(index=False, name=None))
    values = (cells[list(axis)].drop_duplicates().itertuples(index=False, name=None) for axis in axes)
    for combination in itertools.product(*values):
        cell = tuple(itertools.chain(*combination))
        if cell not in present:
            wanted = ", ".join(f"{column} {value}" for column, value in zip(by, cell, strict=True))
            raise ValueError(f"there are no scores for {wanted}")
    return cells


def select_curves(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each RL run's curve, with a column `curve`: its model, or its name if models are shared.

    The scores of the SFT model are step 0 of each curve that starts from it; a curve that continues another RL run
    ("+" in its training) has no step 0.

    Raises ValueError if there is no RL run, if an SFT run has none, or if the scores of an SFT start are missing.
    """
    trained = scores[scores["checkpoint_step"] > 0]
    idle = sorted(set(scores["sft_run"]) - set(trained["sft_run"]))
    if trained.empty or idle:
        raise ValueError("there are no scores of an RL run" + (f" that starts from {idle[0]}" if idle else ""))
    runs_of = trained.groupby("model")["run"].nunique()
    parts = []
    for (run, model, sft_run, training), rows in trained.groupby(["run", "model", "sft_run", "training"], sort=False):
        curve = model if runs_of[model] == 1 else run
        if "+" not in training:
            parts.append(_select_start(scores, sft_run, rows).assign(curve=curve))
        parts.append(rows.assign(curve=curve))
    return pd.concat(parts, ignore_index=True)


def select_ends(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last checkpoint of each RL run, and those of the SFT run at its root.

    Columns beside those of the scores: `curve`, as in select_curves, and `stage`, "SFT" or "RL".

    Raises ValueError as select_curves does.
    """
    rows = select_curves(scores)
    ends = select_last(rows[rows["checkpoint_step"] > 0]).assign(stage="RL")
    starts = [
        _select_start(scores, sft_run, rows).assign(curve=curve, stage="SFT")
        for (curve, sft_run), rows in ends.groupby(["curve", "sft_run"], sort=False)
    ]
    return pd.concat([*starts, ends], ignore_index=True)


def select_last(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last checkpoint of each run."""
    return scores[scores["checkpoint_step"] == scores.groupby("run")["checkpoint_step"].transform("max")]


def _select_start(scores: pd.DataFrame, sft_run: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the SFT run's scores on the seeds and suites of an RL run's rows."""
    places = rows[["seed", "suite"]].drop_duplicates()
    start = scores[scores["run"] == sft_run].merge(places, on=["seed", "suite"])
    found = set(start[["seed", "suite"]].itertuples(index=False, name=None))
    for seed, suite in places.itertuples(index=False, name=None):
        if (seed, suite) not in found:
            raise ValueError(f"there are no scores of the SFT run {sft_run} for seed {seed}, suite {suite}")
    return start


def credit_strategies(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with `correct` false where a completion did not follow the strategy it was made to begin with.

    The skill of a forced strategy is the share of those that are left: right, and by that strategy.
    """
    followed = scores["forced_strategy"].isna() | (scores["forced_strategy"] == scores["strategy"])
    return scores.assign(correct=(scores["correct"] & followed).astype(bool))


def draw_resamples(problems: int, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Return how often each problem is drawn in each bootstrap resample, shape (resamples, problems)."""
    return generator.multinomial(problems, np.full(problems, 1 / problems), resamples)


def estimate_pass_at_k(completions: int, correct: int, k: int) -> float:
    """Return the unbiased estimate of pass@k, the chance that one of k completions is correct.

    Chen et al., "Evaluating Large Language Models Trained on Code" (arXiv 2107.03374), section 2.1: one minus the share
    of the choices of k from the n completions that hold no correct one.

    Raises ValueError unless 0 <= correct <= completions and 1 <= k <= completions.
    """
    if not (0 <= correct <= completions and 1 <= k <= completions):
        raise ValueError(f"pass@{k} needs at least {k} completions, found {completions}, of them {correct} correct")
    return 1 - math.comb(completions - correct, k) / math.comb(completions, k)


def summarize_pass_at_k(scores: pd.DataFrame, by: list[str], ks: Sequence[int]) -> pd.DataFrame:
    """Return pass@k of each group and k: the columns `by`, k, pass_at_k, low, high, problems (fractions).

    low, high: 95 % percentile bootstrap interval over problems, the same draws for every group and k.

    Raises ValueError if a problem has fewer completions than the largest k, if problems differ in their number, and as
    check_pooling does.
    """
    check_pooling(scores, by)
    counts = scores.groupby([*by, "seed", "problem_id"])["correct"].agg(["size", "sum"])
    completions = counts["size"].unique()
    if len(completions) > 1:
        raise ValueError(f"pass@k needs as many completions of each problem, found {sorted(completions)}")
    estimates = {
        k: np.array([estimate_pass_at_k(int(completions[0]), c, k) for c in range(completions[0] + 1)]) for k in ks
    }
    rows = []
    for key, of_group in counts.groupby(by)["sum"]:
        problems = len(of_group)
        generator = np.random.default_rng(hash_seed("bootstrap", problems))
        weights = draw_resamples(problems, RESAMPLES, generator) / problems
        for k in ks:
            values = estimates[k][of_group.to_numpy(int)]
            low, high = np.percentile(weights @ values, [2.5, 97.5])
            row = dict(zip(by, key, strict=True)) | {"k": k, "pass_at_k": values.mean(), "low": low, "high": high}
            rows.append(row | {"problems": problems})
    return pd.DataFrame(rows)


def count_lucky_guesses(guesses: int, values: int) -> int:
    """Return how many of `guesses`, each right with chance 1 / values, are right at most, with probability 0.99."""
    below = 0.0
    for right in range(guesses + 1):
        below += math.comb(guesses, right) * (values - 1) ** (guesses - right) / values**guesses
        if below >= 0.99:
            return right
    return guesses


def summarize_coverage(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return which problems the SFT model and the RL run solve, at the last checkpoint of each run.

    One row an RL run and group of `by`: run, those of `by`, and the shares of problems solved by neither, by the SFT
    model only (lost), by RL only (gained) and by both. A problem is solved if more of its completions are right than
    99 % of guessers would have, each right one time in `values`.

    Raises ValueError if the scores of an SFT start are missing, and as check_pooling does.
    """
    keys = [*by, "seed", "problem_id"]
    last = select_last(scores)
    check_pooling(last, ["run", *by])
    counts = last.groupby(["run", *keys]).agg(
        right=("correct", "sum"), completions=("correct", "size"), values=("values", "first")
    )
    needed = {
        (n, values): count_lucky_guesses(n, values)
        for n, values in counts[["completions", "values"]].drop_duplicates().itertuples(index=False)
    }
    solved = counts["right"] > pd.Series(
        [needed[key] for key in zip(counts["completions"], counts["values"], strict=True)], counts.index
    )
    roots = scores[scores["checkpoint_step"] > 0].groupby("run", sort=False)["sft_run"].first()
    tables = []
    for run, root in roots.items():
        if root not in solved.index:
            raise ValueError(f"there are no scores of the SFT run {root}")
        pair = pd.DataFrame({"before": solved[root], "after": solved[run]}).reset_index()
        if pair[["before", "after"]].isna().any(axis=None):
            raise ValueError(f"the runs {root} and {run} were not evaluated on the same problems")
        before, after = pair["before"].astype(bool), pair["after"].astype(bool)
        shares = pair.assign(
            neither=~(before | after), lost=before & ~after, gained=after & ~before, both=before & after
        )
        tables.append(shares.groupby(by)[["neither", "lost", "gained", "both"]].mean().reset_index().assign(run=run))
    return pd.concat(tables, ignore_index=True)[["run", *by, "neither", "lost", "gained", "both"]]
