"""Diversity: accuracy against the share of forward completions in SFT, before and after RL, all kinds and by kind.

Selection needs both strategies; this shows how little of the rarer one is enough. Bars are 95 % Wilson intervals.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import select_last, summarize_accuracy
from selectimprove.presentation.figures._style import (
    ACCURACY_LABEL,
    OTHER_LOOKS,
    draw_intervals,
    finish_axes,
    wrap_name,
)

NEEDS = {"by_kind": True, "axes": [["stage", "forward_share"]], "most": {"stage": 7}}
LOOKS = (("0.5", "o", ":"), ("black", "o", "-"), *OTHER_LOOKS)


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure, from the last checkpoint of each run. Raises ValueError if there are no scores of a kind."""
    last = select_last(scores)
    stages = ["SFT", *sorted(set(last["stage"]) - {"SFT"}, key=lambda stage: (len(stage), stage))]
    figure = Figure(figsize=(9.0, 3.2), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for axes, kind in zip(panels, ("all", "evaluation", "inversion"), strict=True):
        panel = last if kind == "all" else last[last["kind"] == kind]
        for stage, (color, marker, linestyle) in zip(stages, LOOKS[: len(stages)], strict=True):
            line = summarize_accuracy(panel[panel["stage"] == stage], ["forward_share"])
            draw_intervals(
                axes,
                100 * line["forward_share"],
                line,
                "accuracy",
                color=color,
                marker=marker,
                linestyle=linestyle,
                markersize=4,
                label=wrap_name(stage, 1.8, 8),
            )
        finish_axes(axes)
        axes.set_title(kind, fontsize=9)
        axes.set_xlabel("forward completions in SFT (%)")
    panels[0].set_ylabel(ACCURACY_LABEL)
    panels[0].legend(frameon=False, fontsize=8)
    return figure
