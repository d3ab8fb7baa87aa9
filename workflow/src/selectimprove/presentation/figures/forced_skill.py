"""Forced skill: what a model can do with each strategy, whether or not it picks it, during RL; a column for each run.

Top: routing, the share of completions that open forward, by kind. Bottom: skill, the accuracy of completions that are
made to open with the strategy that suits their kind. Where the top moves and the bottom does not, RL only selects.
Step 0 is the SFT model. Bands are 95 % Wilson intervals over problems.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import check_groups, select_curves, summarize_share
from selectimprove.presentation.figures._style import (
    KIND_LOOKS,
    add_legend,
    draw_accuracy,
    draw_curve,
    finish_axes,
    make_columns,
)
from selectimprove.tasks.specs import KINDS
from selectimprove.tasks.strategies import SUITED

NEEDS = {"runs": "RL", "forced": True, "by_kind": True, "most": {"run": 12}}
COLUMN = 2.3  # inches


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if free or forced scores of a run or of its SFT start are missing."""
    rows = select_curves(scores)
    curves = list(rows["curve"].unique())
    free, forced = rows[rows["forced_strategy"].isna()], rows[rows["forced_strategy"].notna()]
    forced = forced[forced["forced_strategy"] == forced["kind"].map(SUITED)]
    for part in (free, forced):
        check_groups(part, {"curve": curves, "kind": KINDS})
    figure, grid = make_columns(curves, COLUMN, margin=1.6, height=4.6)
    for (above, below), curve in zip(grid.T, curves, strict=True):
        for kind, look in KIND_LOOKS.items():
            opened = free[(free["curve"] == curve) & (free["kind"] == kind)]
            routing = summarize_share(opened, ["checkpoint_step"], opened["strategy"] == "forward")
            draw_curve(above, routing, "share", look)
            draw_accuracy(below, forced[(forced["curve"] == curve) & (forced["kind"] == kind)], look)
        for axes in (above, below):
            finish_axes(axes)
    grid[0, 0].set_ylabel("routing:\nforward openings (%)")
    grid[1, 0].set_ylabel("skill when made to open\nwith the suited strategy (%)")
    add_legend(figure, *grid[1, 0].get_legend_handles_labels(), columns=len(KINDS))
    return figure
