"""SFT ablation: validation cross-entropy by learning rate, over the completion and over the whole sequence.

The paper's rates are 1e-4, 2e-4 and 5e-4, and it does not say which of the two its cross-entropies are; they stand
beside ours of the same rank of learning rate.
"""

import pandas as pd

from selectimprove.measurement.analysis import summarize_settings
from selectimprove.measurement.markdown import format_rows

NEEDS = {"runs": "SFT", "axes": [["model", "sft_learning_rate"]]}

# arXiv 2606.13125: validation cross-entropy by rising learning rate.
PAPER = {"B": (0.0856, 0.0859, 0.0863), "F": (0.0857, 0.0858, 0.0862), "FB": (0.0879, 0.0879, 0.0884)}


def compute(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each model and rate: losses (nats a token, means over seeds), accuracy, low, high, seeds, paper.

    Raises ValueError if two SFT runs of one model share their learning rate.
    """
    scores = scores[scores["training"] == "sft"]
    [keys] = NEEDS["axes"]
    accuracies = summarize_settings(scores, NEEDS["axes"], what="SFT runs")
    losses = scores.drop_duplicates(["run", "seed"]).groupby(keys)[["validation_loss", "validation_sequence_loss"]]
    table = accuracies.merge(losses.mean().reset_index(), on=keys)
    rank = table.groupby("model")["sft_learning_rate"].rank().astype(int)
    papers = [PAPER.get(model, ()) for model in table["model"]]
    table["paper"] = [paper[at - 1] if at <= len(paper) else None for paper, at in zip(papers, rank, strict=True)]
    columns = ["validation_loss", "validation_sequence_loss", "accuracy", "low", "high", "seeds", "paper"]
    return table[[*keys, *columns]]


def format_markdown(table: pd.DataFrame) -> str:
    """Return the table as Markdown: losses in nats a token, accuracies in percent."""
    rows = [
        ["model", "learning rate", "completion loss", "sequence loss", "pass@1 (%) [95 %]", "paper's loss"],
        ["---", *["---:"] * 5],
    ]
    for row in table.itertuples():
        accuracy = f"{100 * row.accuracy:.1f} [{100 * row.low:.1f}, {100 * row.high:.1f}]"
        losses = [f"{row.validation_loss:.4f}", f"{row.validation_sequence_loss:.4f}"]
        paper = "" if pd.isna(row.paper) else f"{row.paper:.4f}"
        rows.append([row.model, f"{row.sft_learning_rate:g}", *losses, accuracy, paper])
    return format_rows(rows)
