"""Composition: accuracy during RL on problems of several parts, after SFT without and with compositions.

Left and middle: by number of parts, over RL steps; step 0 is the SFT model. Right: how far a correct prefix reaches, on
the problems with the most parts: the share of completions whose first k parts all have the right answer.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import select_curves, select_ends, summarize_share
from selectimprove.presentation.figures._style import (
    ACCURACY_LABEL,
    STEP_LABEL,
    choose_length_looks,
    draw_accuracy,
    finish_axes,
)

NEEDS = {"runs": "RL", "axes": [["taught_parts"]], "most": {"run": 7, "parts": 12}}
COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")  # of what SFT taught
PREFIX_STYLES = {"SFT": ":", "RL": "-"}


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if the scores of an RL run or of its SFT start are missing."""
    rows = select_curves(scores)
    taught = sorted(rows["taught_parts"].unique())
    lengths = sorted(int(parts) for parts in rows["parts"].unique())
    looks = choose_length_looks(lengths)
    figure = Figure(figsize=(4.8 + 2.4 * len(taught), 3.4), layout="constrained")
    *over_training, prefixes = figure.subplots(1, len(taught) + 1, sharey=True)
    for axes, parts_taught in zip(over_training, taught, strict=True):
        panel = rows[rows["taught_parts"] == parts_taught]
        for parts, look in looks.items():
            draw_accuracy(axes, panel[panel["parts"] == parts], look)
        axes.set_title(
            "SFT on single problems" if parts_taught == "1-1" else f"SFT on {parts_taught} parts", fontsize=9
        )
        axes.set_xlabel(STEP_LABEL)
        finish_axes(axes)
    over_training[0].legend(title="parts", fontsize=7, title_fontsize=7, frameon=False)
    over_training[0].set_ylabel(ACCURACY_LABEL)
    ends = select_ends(scores)
    longest = ends[ends["parts"] == lengths[-1]]
    for parts_taught, color in zip(taught, COLORS[: len(taught)], strict=True):
        for stage in PREFIX_STYLES:
            completions = longest[(longest["taught_parts"] == parts_taught) & (longest["stage"] == stage)]
            reached = [
                summarize_share(completions, ["parts"], completions["correct_parts"] >= k)["share"].item()
                for k in range(1, lengths[-1] + 1)
            ]
            prefixes.plot(
                range(1, lengths[-1] + 1),
                [100 * share for share in reached],
                color=color,
                linestyle=PREFIX_STYLES[stage],
                marker="o",
                markersize=3.5,
                label=f"{stage}, taught {parts_taught}",
            )
    finish_axes(prefixes)
    prefixes.legend(fontsize=7, frameon=False)
    prefixes.set_title(f"problems of {lengths[-1]} parts", fontsize=9)
    prefixes.set_xlabel("first parts, all right")
    return figure
