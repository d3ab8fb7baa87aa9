"""Difficulty: accuracy by number of steps at the end of RL on problems of different lengths, a row for each SFT start.

Grey: the SFT model. Bars are 95 % Wilson intervals over problems. A curriculum is one run after another, in the number
of RL steps that each of the others has.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import select_last, summarize_accuracy
from selectimprove.presentation.figures._style import OTHER_LOOKS, Look, draw_intervals, finish_axes
from selectimprove.tasks.specs import KINDS


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure, from the last checkpoint of each run."""
    last = select_last(scores)
    last = last.assign(label=("RL " + last["trained_steps"]).where(last["training"] != "sft", "SFT"))
    models = [model for model in ("F", "B", "FB") if (last["model"] == model).any()]
    labels = ["SFT", *sorted(set(last["label"]) - {"SFT"}, key=lambda label: (len(label), label))]
    looks = {"SFT": Look("0.5", "o", ":", "SFT")} | {
        label: Look(*OTHER_LOOKS[i % len(OTHER_LOOKS)], label) for i, label in enumerate(labels[1:])
    }
    figure = Figure(figsize=(7.6, 2.4 * len(models)), layout="constrained")
    grid = figure.subplots(len(models), len(KINDS), sharex=True, sharey=True, squeeze=False)
    for model, panels in zip(models, grid, strict=True):
        for axes, kind in zip(panels, KINDS, strict=True):
            panel = last[(last["model"] == model) & (last["kind"] == kind)]
            for label, line in summarize_accuracy(panel, ["label", "steps"]).groupby("label"):
                look = looks[label]
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
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    return figure
