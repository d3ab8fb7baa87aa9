"""Decomposition: the gain of RL over the SFT model, split into selection and improvement, over RL steps.

A column for each run, a row for each kind. Areas are stacked, losses below zero; the line is the gain that both add up
to, its bars the 95 % bootstrap interval over problems. A run that continues another has no step 0. The definitions are
in decomposition.py.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import check_groups
from selectimprove.measurement.decomposition import decompose_gains
from selectimprove.presentation.figures._style import (
    PART_COLORS,
    add_legend,
    draw_grid,
    draw_intervals,
    make_columns,
)
from selectimprove.tasks.specs import KINDS

NEEDS = {"runs": "RL", "forced": True, "by_kind": True, "most": {"run": 12}}
COLUMN = 1.9  # inches


def draw_areas(axes: Axes, line: pd.DataFrame, origin: list[int]) -> None:
    """Draw the parts of one run and kind as stacked areas, those below zero downward; origin: [0] to start at 0."""
    steps = np.concatenate([origin, line["checkpoint_step"]])
    above, below = np.zeros(len(steps)), np.zeros(len(steps))
    for part, color in PART_COLORS.items():
        values = np.concatenate([origin, 100 * line[part]])
        for base, share in ((above, values.clip(min=0)), (below, values.clip(max=0))):
            axes.fill_between(steps, base, base + share, color=color, alpha=0.75, linewidth=0)
            base += share
    gains = line.assign(low=line["gain_low"], high=line["gain_high"])
    draw_intervals(axes, line["checkpoint_step"], gains, "gain", color="black", marker=".", linewidth=1, elinewidth=0.7)


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if free or forced scores of a run, or of its SFT start, are missing."""
    gains = decompose_gains(scores, ["kind"])
    trained = scores[scores["checkpoint_step"] > 0]
    runs = list(trained["run"].unique())
    continued = set(trained.loc[trained["training"].str.contains("+", regex=False), "run"])
    check_groups(gains, {"run": runs, "kind": KINDS})
    figure, grid = make_columns(runs, COLUMN, margin=1.2, height=4.2)
    for kind, panels in zip(KINDS, grid, strict=True):
        for run, axes in zip(runs, panels, strict=True):
            line = gains[(gains["run"] == run) & (gains["kind"] == kind)]
            draw_areas(axes, line, [] if run in continued else [0])
            draw_grid(axes)
            axes.axhline(0, color="0.4", linewidth=0.6)
        panels[0].set_ylabel(f"{kind}\ngain (points)")
    handles = [grid[0, 0].fill_between([], [], color=color, alpha=0.75) for color in PART_COLORS.values()]
    add_legend(figure, handles, list(PART_COLORS), columns=2)
    return figure
