"""Difficulty: accuracy by number of steps at the end of RL on problems of different lengths, a row for each SFT start.

Grey: the SFT model. Bars are 95 % Wilson intervals over problems. A curriculum is one run after another, in the number
of RL steps that each of the others has.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import select_last, summarize_accuracy
from selectimprove.presentation.figures._style import (
    Look,
    add_legend,
    choose_looks,
    choose_other_looks,
    draw_intervals,
    finish_axes,
)
from selectimprove.tasks.specs import KINDS

NEEDS = {
    "suites": "lengths",
    "by_kind": True,
    "axes": [["model", "stage"]],
    "most": {"stage": 13},
}


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure, from the last checkpoint of each run."""
    last = select_last(scores)
    models = list(choose_looks(last["model"]))
    stages = sorted(set(last["stage"]) - {"SFT"}, key=lambda stage: (len(stage), stage))
    looks = {"SFT": Look("0.5", "o", ":", "SFT")} | choose_other_looks(stages)
    figure = Figure(figsize=(7.6, 2.4 * len(models)), layout="constrained")
    grid = figure.subplots(len(models), len(KINDS), sharex=True, sharey=True, squeeze=False)
    for model, panels in zip(models, grid, strict=True):
        for axes, kind in zip(panels, KINDS, strict=True):
            panel = last[(last["model"] == model) & (last["kind"] == kind)]
            for stage, line in summarize_accuracy(panel, ["stage", "steps"]).groupby("stage"):
                look = looks[stage]
                draw_intervals(
                    axes,
                    line["steps"],
                    line,
                    "accuracy",
                    color=look.color,
                    marker=look.marker,
                    linestyle=look.linestyle,
                    markersize=3.5,
                    elinewidth=0.6,
                )
            finish_axes(axes)
            axes.set_title(f"{model}, {kind}", fontsize=9)
        panels[0].set_ylabel("pass@1 (%)")
    for axes in grid[-1]:
        axes.set_xlabel("steps of problem")
    handles = [
        grid[0, 0].plot([], [], color=look.color, marker=look.marker, linestyle=look.linestyle, label=look.label)[0]
        for look in looks.values()
    ]
    add_legend(figure, handles, list(looks), columns=3)
    return figure
