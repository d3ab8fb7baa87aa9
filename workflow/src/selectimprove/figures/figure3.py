"""Figure 3: accuracy on held-out problems during RL, a panel for each kind of problem; a line for each SFT start.

Step 0 is the SFT model. The band is the 95 % Wilson interval over problems; thin lines are single seeds.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.analysis import check_groups, select_curves
from selectimprove.figures._style import (
    ACCURACY_LABEL,
    STEP_LABEL,
    choose_looks,
    draw_accuracy,
    draw_seeds,
    finish_axes,
)
from selectimprove.specs import KINDS


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if the scores of an RL run, its SFT start or a kind are missing."""
    rows = select_curves(scores)
    looks = choose_looks(rows["curve"])
    check_groups(rows, {"curve": list(looks), "kind": KINDS})
    figure = Figure(figsize=(7.6, 3.6), layout="constrained")
    panels = figure.subplots(1, len(KINDS), sharey=True)
    for axes, kind in zip(panels, KINDS, strict=True):
        for curve, look in looks.items():
            of_curve = rows[(rows["curve"] == curve) & (rows["kind"] == kind)]
            draw_accuracy(axes, of_curve, look)
            draw_seeds(axes, of_curve, look)
        finish_axes(axes)
        axes.set_title(kind, fontsize=10)
        axes.set_xlabel(STEP_LABEL)
    panels[0].set_ylabel(ACCURACY_LABEL)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    return figure
