"""The paper's claims as checks on the scores: a statistic with its interval, held against a threshold.

A claim's statistic is a sum over runs, each with its weight, of a mean over completions at the run's last checkpoint.
Its 95 % interval is a percentile bootstrap over seeds, and over problems within them; with one seed, over problems
alone. Few seeds make it too narrow: three tell little about a fourth.

A model that answers nothing is below any threshold. So a claim that a statistic is below one is only won if at least
90 % of the completions that it counts have their answer line.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from selectimprove.experiment.specs import ClaimSpec, ClaimsSpec
from selectimprove.files import write_string, write_whole
from selectimprove.measurement.analysis import RESAMPLES, credit_strategies, draw_resamples, select_last
from selectimprove.measurement.markdown import format_rows
from selectimprove.measurement.scores import read_declared_scores
from selectimprove.provenance.sidecars import describe_origin, write_sidecar
from selectimprove.seeds import hash_seed
from selectimprove.tasks.strategies import SUITED

COLUMNS = ["claim", "verdict", "statistic", "low", "high", "comparison", "threshold", "answered", "figure", "sentence"]
LEAST_ANSWERED = 0.9  # of the completions of a claim that its statistic is below a threshold

MEASURES = {
    "accuracy": lambda rows: rows["correct"],
    "whole_share": lambda rows: rows["first_wrong_step"].isna(),
    "suited_share": lambda rows: rows["strategy"] == rows["kind"].map(SUITED),
    "forward_share": lambda rows: rows["strategy"] == "forward",
}


def select_rows(claim: ClaimSpec, scores: pd.DataFrame, run: str) -> pd.DataFrame:
    """Return the completions of a run that the claim is about, at the last checkpoint.

    Of a suite of forced strategies these are the ones made to begin with the strategy that suits their kind, and right
    are those that are so by it (see credit_strategies).
    """
    rows = select_last(scores[(scores["run"] == run) & (scores["suite"] == claim.suite)])
    if claim.kind != "all":
        rows = rows[rows["kind"] == claim.kind]
    if claim.parts is not None:
        rows = rows[rows["parts"] == claim.parts]
    suited = rows["forced_strategy"].isna() | (rows["forced_strategy"] == rows["kind"].map(SUITED))
    return credit_strategies(rows[suited])


def measure_problems(claim: ClaimSpec, scores: pd.DataFrame) -> pd.Series:
    """Return the claim's statistic for each problem, indexed by seed and problem_id; their mean over all is its value.

    Raises ValueError if a run has no scores, or if two runs were not evaluated on the same problems.
    """
    total = None
    for run, weight in claim.terms.items():
        rows = select_rows(claim, scores, run)
        if rows.empty:
            raise ValueError(f"claim {claim.name}: there are no scores of run {run} on {claim.kind} in {claim.suite}")
        values = weight * MEASURES[claim.measure](rows).groupby([rows["seed"], rows["problem_id"]]).mean()
        if total is not None and not values.index.equals(total.index):
            raise ValueError(f"claim {claim.name}: its runs were not evaluated on the same problems")
        total = values if total is None else total + values
    return total


def bootstrap_mean(values: pd.Series, *key: str) -> tuple[float, float]:
    """Return the 95 % interval of the mean over seeds of means over problems; values: indexed by seed and problem."""
    generator = np.random.default_rng(hash_seed("bootstrap", *key))
    seeds = [of_seed.to_numpy(float) for _, of_seed in values.groupby("seed")]
    drawn = generator.integers(len(seeds), size=(RESAMPLES, len(seeds)))
    means = np.empty(drawn.shape)
    for position, of_seed in enumerate(seeds):
        problems = len(of_seed)
        places = drawn == position
        weights = draw_resamples(problems, places.sum(), generator)
        means[places] = weights @ of_seed / problems
    low, high = np.percentile(means.mean(1), [2.5, 97.5])
    return float(low), float(high)


def measure_answered(claim: ClaimSpec, scores: pd.DataFrame) -> float:
    """Return the share of the completions that the claim counts that have their answer line."""
    return float(pd.concat([select_rows(claim, scores, run)["answered"] for run in claim.terms]).mean())


def judge_interval(low: float, high: float, comparison: str, threshold: float) -> str:
    """Return "reproduced" or "not reproduced" where the whole interval is on one side of the threshold.

    comparison: "above" or "below", where the claim has it; an interval that holds the threshold is "inconclusive".
    """
    if low <= threshold <= high:
        return "inconclusive"
    return "reproduced" if (low > threshold) == (comparison == "above") else "not reproduced"


def check_claims(claims: Iterable[ClaimSpec], scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row a claim with the columns COLUMNS; statistic, bounds, threshold and share answered are fractions.

    Raises ValueError if the scores of any run of a claim are missing.
    """
    rows = []
    for claim in claims:
        values = measure_problems(claim, scores)
        low, high = bootstrap_mean(values, claim.name)
        verdict = judge_interval(low, high, claim.comparison, claim.threshold)
        answered = measure_answered(claim, scores)
        if verdict == "reproduced" and claim.comparison == "below" and answered < LEAST_ANSWERED:
            verdict = "inconclusive"
        statistic = values.groupby("seed").mean().mean()
        expected = (claim.comparison, claim.threshold)
        rows.append((claim.name, verdict, statistic, low, high, *expected, answered, claim.figure, claim.sentence))
    return pd.DataFrame(rows, columns=COLUMNS)


def format_claims(table: pd.DataFrame) -> str:
    """Return the verdicts as a Markdown table, statistics in percent or points."""
    titles = ["claim", "verdict", "statistic [95 %]", "threshold", "answered (%)", "figure"]
    rows = [titles, ["---", "---", "---:", "---:", "---:", "---"]]
    for row in table.itertuples():
        statistic = f"{100 * row.statistic:.1f} [{100 * row.low:.1f}, {100 * row.high:.1f}]"
        threshold = f"{row.comparison} {100 * row.threshold:g}"
        rows.append([row.sentence, row.verdict, statistic, threshold, f"{100 * row.answered:.1f}", row.figure])
    return format_rows(rows)


def write_claims(spec: ClaimsSpec, score_files: list[Path], markdown: Path, csv: Path, sidecar: Path) -> None:
    """Check the claims and write their verdicts as Markdown and as CSV (6 digits), with a sidecar.

    Raises FileNotFoundError or ValueError if a score file, or the scores of a run of a claim, are missing.
    """
    scores = read_declared_scores(spec, score_files)
    table = check_claims(spec.claims, scores)
    write_string(markdown, format_claims(table))
    write_whole(csv, lambda file: table.round(6).to_csv(file, index=False))
    write_sidecar(sidecar, describe_origin("claims", check_claims, spec, scores), score_files, [markdown, csv])
