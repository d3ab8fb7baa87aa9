"""Figure 2: accuracy on held-out problems during RL, all kinds together; a line for each SFT start.

Step 0 is the SFT model. The band is the 95 % Wilson interval over problems; thin lines are single seeds.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import select_curves
from selectimprove.presentation.figures._style import (
    ACCURACY_LABEL,
    STEP_LABEL,
    add_legend,
    choose_looks,
    draw_accuracy,
    draw_seeds,
    finish_axes,
)

NEEDS = {"runs": "RL", "most": {"run": 12}}


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if the scores of an RL run or of its SFT start are missing."""
    rows = select_curves(scores)
    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    axes = figure.subplots()
    for curve, look in choose_looks(rows["curve"]).items():
        of_curve = rows[rows["curve"] == curve]
        draw_accuracy(axes, of_curve, look)
        draw_seeds(axes, of_curve, look)
    finish_axes(axes)
    axes.set_xlabel(STEP_LABEL)
    axes.set_ylabel(ACCURACY_LABEL)
    add_legend(figure, *axes.get_legend_handles_labels(), columns=3)
    return figure
