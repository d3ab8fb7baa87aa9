"""Text variants: accuracy during RL with a hidden, fixed symbol map and with a map stated in each prompt, by kind.

Step 0 is the SFT model. The band is the 95 % Wilson interval over problems.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.analysis import check_groups, select_curves
from selectimprove.figures._style import ACCURACY_LABEL, STEP_LABEL, Look, draw_accuracy, draw_seeds, finish_axes
from selectimprove.specs import KINDS

MAP_LOOKS = {
    "fixed": Look("#000000", "o", "-", "map fixed and hidden"),
    "per_problem": Look("#D55E00", "D", "--", "map stated in each prompt"),
}


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if the scores of a map, of an RL run or of its SFT start are missing."""
    rows = select_curves(scores)
    check_groups(rows, {"symbol_map": tuple(MAP_LOOKS), "kind": KINDS})
    figure = Figure(figsize=(7.6, 3.6), layout="constrained")
    panels = figure.subplots(1, len(KINDS), sharey=True)
    for axes, kind in zip(panels, KINDS, strict=True):
        for symbol_map, look in MAP_LOOKS.items():
            panel = rows[(rows["kind"] == kind) & (rows["symbol_map"] == symbol_map)]
            draw_accuracy(axes, panel, look)
            draw_seeds(axes, panel, look)
        finish_axes(axes)
        axes.set_title(kind, fontsize=10)
        axes.set_xlabel(STEP_LABEL)
    panels[0].set_ylabel(ACCURACY_LABEL)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    return figure
