"""Forced skill: what a model can do with each strategy, whether or not it picks it, during RL; a column for each run.

Top: routing, the share of forward completions, by kind; dotted, where there are any, that of mixed ones, which open
with one strategy and go on in the other. Bottom: skill: of completions that are made to begin with the strategy that
suits their kind, the share that is right and follows it. Where the top moves and the bottom does not, RL only selects.
Step 0 is the SFT model. Bands are 95 % Wilson intervals over problems.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import check_groups, credit_strategies, select_curves, summarize_share
from selectimprove.presentation.figures._style import (
    KIND_LOOKS,
    add_legend,
    choose_routing_looks,
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
    forced = credit_strategies(forced[forced["forced_strategy"] == forced["kind"].map(SUITED)])
    for part in (free, forced):
        check_groups(part, {"curve": curves, "kind": KINDS})
    figure, grid = make_columns(curves, COLUMN, margin=1.6, height=4.6)
    for (above, below), curve in zip(grid.T, curves, strict=True):
        for kind, look in KIND_LOOKS.items():
            opened = free[(free["curve"] == curve) & (free["kind"] == kind)]
            for strategy, routing_look in choose_routing_looks(kind, free).items():
                routing = summarize_share(opened, ["checkpoint_step"], opened["strategy"] == strategy)
                draw_curve(above, routing, "share", routing_look)
            draw_accuracy(below, forced[(forced["curve"] == curve) & (forced["kind"] == kind)], look)
        for axes in (above, below):
            finish_axes(axes)
    grid[0, 0].set_ylabel("routing:\nforward (%)")
    grid[1, 0].set_ylabel("skill when made to open\nwith the suited strategy (%)")
    add_legend(figure, *grid[0, 0].get_legend_handles_labels(), columns=len(KINDS))
    return figure
