"""Decomposition: the gain of RL over the SFT model, split into selection and improvement, over RL steps.

A column for each run, a row for each kind. Areas are stacked, losses below zero; the line is the gain that both add up
to, its bars the 95 % bootstrap interval over problems. The definitions are in decomposition.py.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import check_groups
from selectimprove.measurement.decomposition import decompose_gains
from selectimprove.presentation.figures._style import PART_COLORS, STEP_LABEL, draw_grid, draw_intervals
from selectimprove.tasks.specs import KINDS


def draw_areas(axes: Axes, line: pd.DataFrame) -> None:
    """Draw the parts of one run and kind as stacked areas from step 0 on, those below zero downward."""
    steps = np.concatenate([[0], line["checkpoint_step"]])
    above, below = np.zeros(len(steps)), np.zeros(len(steps))
    for part, color in PART_COLORS.items():
        values = np.concatenate([[0], 100 * line[part]])
        for base, share in ((above, values.clip(min=0)), (below, values.clip(max=0))):
            axes.fill_between(steps, base, base + share, color=color, alpha=0.75, linewidth=0)
            base += share
    gains = line.assign(low=line["gain_low"], high=line["gain_high"])
    draw_intervals(axes, line["checkpoint_step"], gains, "gain", color="black", marker=".", linewidth=1, elinewidth=0.7)


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if free or forced scores of a run, or of its SFT start, are missing."""
    gains = decompose_gains(scores, ["kind"])
    runs = list(scores.loc[scores["checkpoint_step"] > 0, "run"].unique())
    check_groups(gains, {"run": runs, "kind": KINDS})
    figure = Figure(figsize=(1.2 + 1.9 * len(runs), 4.2), layout="constrained")
    grid = figure.subplots(len(KINDS), len(runs), sharex="col", sharey=True, squeeze=False)
    for kind, panels in zip(KINDS, grid, strict=True):
        for run, axes in zip(runs, panels, strict=True):
            draw_areas(axes, gains[(gains["run"] == run) & (gains["kind"] == kind)])
            draw_grid(axes)
            axes.axhline(0, color="0.4", linewidth=0.6)
        panels[0].set_ylabel(f"{kind}\ngain (points)")
    for run, top, bottom in zip(runs, grid[0], grid[-1], strict=True):
        top.set_title(run, fontsize=9)
        bottom.set_xlabel(STEP_LABEL)
    handles = [grid[0, 0].fill_between([], [], color=color, alpha=0.75) for color in PART_COLORS.values()]
    figure.legend(handles, PART_COLORS, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    return figure
