"""RL ablation: accuracy at the end of RL by learning rate, group size and beta, beside the paper's.

The paper's learning rates are 1e-5 and 5e-5; its cells stand beside ours of the same rank of learning rate.
"""

import pandas as pd

from selectimprove.measurement.analysis import MODELS, sort_models, summarize_settings
from selectimprove.measurement.markdown import format_rows

NEEDS = {"runs": "RL alone", "axes": [["model"], ["learning_rate", "completions_per_prompt", "beta"]]}

# arXiv 2606.13125, accuracy in percent of B, F and FB at the lower learning rate; the higher one it calls unstable.
PAPER = {(8, 0.05): (53, 60, 97), (8, 0.1): (53, 58, 96), (16, 0.05): (58, 51, 98), (16, 0.1): (53, 52, 97)}


def compute(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a row a run: model, learning_rate, completions_per_prompt, beta, accuracy, low, high, seeds, paper.

    Accuracies are fractions. Raises ValueError if two runs of one model share their settings, or if a model lacks some
    that another has.
    """
    cells = summarize_settings(scores[scores["training"] != "sft"], NEEDS["axes"])
    lowest = cells["learning_rate"].min()
    paper = [
        PAPER.get((cell.completions_per_prompt, cell.beta), (None,) * 3)[MODELS.index(cell.model)]
        if cell.learning_rate == lowest and cell.model in MODELS
        else None
        for cell in cells.itertuples()
    ]
    cells["paper"] = pd.array(paper, dtype="Float64") / 100
    return cells[["model", *NEEDS["axes"][1], "accuracy", "low", "high", "seeds", "paper"]]


def format_markdown(table: pd.DataFrame) -> str:
    """Return a row for each setting and the accuracies of the models in percent, with the paper's where it has one."""
    models = sort_models(table["model"])
    titles = [title for model in models for title in (f"{model} [95 %]", "paper")]
    rows = [["learning rate", "group size", "beta", *titles], ["---:"] * (3 + len(titles))]
    for (rate, group, beta), cells in table.groupby(NEEDS["axes"][1]):
        row = [f"{rate:g}", f"{group:g}", f"{beta:g}"]
        for model in models:
            cell = cells[cells["model"] == model].iloc[0]
            row.append(f"{100 * cell.accuracy:.1f} [{100 * cell.low:.1f}, {100 * cell.high:.1f}]")
            row.append("" if pd.isna(cell.paper) else f"{100 * cell.paper:.0f}")
        rows.append(row)
    return format_rows(rows)
