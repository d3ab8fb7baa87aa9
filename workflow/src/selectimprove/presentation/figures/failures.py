"""Failures: how completions fail during RL, over RL steps; a column for each run, a row for each kind.

Each completion counts once. At the bottom are those that are right throughout, then those whose answer is right though
a step is not (two additions in a row may be swapped), then the others by the first thing that is wrong in them. A wrong
opening is a guess that did not come true, of a strategy that does not suit the kind.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import check_groups, select_curves
from selectimprove.presentation.figures._style import add_legend, make_columns
from selectimprove.tasks.specs import KINDS
from selectimprove.tasks.strategies import FAILURES

NEEDS = {"runs": "RL", "by_kind": True, "most": {"run": 12}}
COLUMN = 2.0  # inches
COLORS = {
    "right throughout": "#DDDDDD",
    "right answer only": "#999999",
    "wrong_opening": "#0072B2",
    "stopped_early": "#E69F00",
    "lost_place": "#D55E00",
    "wrong_fact": "#CC79A7",
    "wrong_answer": "#009E73",
    "no_answer": "#000000",
}


def share_failures(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the share of each outcome, shape (checkpoint steps, outcomes); the columns are those of COLORS."""
    outcomes = (
        rows["failure"].fillna("right throughout").mask(rows["correct"] & rows["failure"].notna(), "right answer only")
    )
    shares = pd.crosstab(rows["checkpoint_step"], outcomes, normalize="index")
    return shares.reindex(columns=list(COLORS), fill_value=0.0)


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if the scores of a run, its SFT start or a kind are missing."""
    rows = select_curves(scores)
    curves = list(rows["curve"].unique())
    check_groups(rows, {"curve": curves, "kind": KINDS})
    unknown = set(rows["failure"].dropna()) - set(FAILURES)
    if unknown:
        raise ValueError(f"the scores have failures that are not known: {', '.join(sorted(unknown))}")
    figure, grid = make_columns(curves, COLUMN, margin=1.2, height=4.2)
    for kind, panels in zip(KINDS, grid, strict=True):
        for curve, axes in zip(curves, panels, strict=True):
            shares = share_failures(rows[(rows["curve"] == curve) & (rows["kind"] == kind)])
            axes.stackplot(shares.index, 100 * shares.T, colors=COLORS.values(), labels=COLORS)
            axes.margins(0)
            axes.spines[["top", "right"]].set_visible(False)
        panels[0].set_ylabel(f"{kind}\ncompletions (%)")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    add_legend(figure, handles, [label.replace("_", " ") for label in labels], columns=4, fontsize=7)
    return figure
