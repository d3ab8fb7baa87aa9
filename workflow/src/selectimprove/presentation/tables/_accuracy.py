"""What the accuracy tables share: their rows, from the last checkpoint of each run, and their Markdown."""

import pandas as pd

from selectimprove.measurement.analysis import MODELS, select_last, summarize_accuracy
from selectimprove.measurement.markdown import format_rows

SHOWN_KINDS = ("all", "inversion", "evaluation")


def summarize_models(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each model, training and kind: accuracy, low, high, seeds, worst_seed, best_seed (fractions).

    training: "SFT", or "RL" with the steps of its problems. low, high: 95 % Wilson interval over problems. worst_seed,
    best_seed: accuracy of the seed where it is lowest and highest. RL runs count with their last checkpoint.

    Raises ValueError if a cell has no scores, if two runs share a cell, or if a run has scores of several suites.
    """
    scores = select_last(scores)
    scores = scores.assign(training=scores["stage"])
    for (model, training), runs in scores.groupby(["model", "training"])["run"].unique().items():
        if len(runs) > 1:
            raise ValueError(f"the table takes one run for model {model}, {training}, but has {', '.join(runs)}")
    pooled = pd.concat([scores, scores.assign(kind="all")])
    by = ["model", "training", "kind"]
    of_seeds = summarize_accuracy(pooled, [*by, "seed"]).groupby(by)["accuracy"]
    cells = summarize_accuracy(pooled, by).set_index(by).assign(worst_seed=of_seeds.min(), best_seed=of_seeds.max())
    rows = sorted(set(zip(scores["model"], scores["training"], strict=True)), key=_rank_row)
    for row in rows:
        for kind in SHOWN_KINDS:
            if (*row, kind) not in cells.index:
                raise ValueError(f"there are no scores of model {row[0]}, {row[1]}, on kind {kind}")
    cells = cells.loc[[(*row, kind) for row in rows for kind in SHOWN_KINDS]].reset_index()
    return cells[[*by, "accuracy", "low", "high", "seeds", "worst_seed", "best_seed"]]


def format_paper(accuracy: float) -> str:
    """Return the paper's accuracy in percent, nothing where it has none."""
    return "" if pd.isna(accuracy) else f"{100 * accuracy:.1f}"


def _rank_row(row: tuple[str, str]) -> tuple:
    """Order rows by model, then SFT, RL on one data set, and RL on several in a row."""
    model, training = row
    return (
        model not in MODELS,
        MODELS.index(model) if model in MODELS else 0,
        training.count("then"),
        training != "SFT",
        row,
    )


def format_models(table: pd.DataFrame) -> str:
    """Return the table as Markdown, a row for each model and training: percent, 95 % intervals, the paper's if known.

    With several seeds, the range over them stands below the interval.
    """
    with_paper = "paper" in table
    titles = [title for kind in SHOWN_KINDS for title in (f"{kind} [95 %]", *(["paper"] if with_paper else []))]
    rows = [["pass@1 (%)", "seeds", *titles], ["---", *["---:"] * (1 + len(titles))]]
    for (model, training), cells in table.groupby(["model", "training"], sort=False):
        row = [f"{model}, {training}", str(cells["seeds"].iloc[0])]
        for cell in cells.itertuples():
            text = f"{100 * cell.accuracy:.1f} [{100 * cell.low:.1f}, {100 * cell.high:.1f}]"
            if cell.seeds > 1:
                text += f"<br>{100 * cell.worst_seed:.1f} to {100 * cell.best_seed:.1f}"
            row += [text, *([format_paper(cell.paper)] if with_paper else [])]
        rows.append(row)
    return format_rows(rows)
