"""Figure 4: accuracy during RL by number of steps of the problem; SFT starts in columns, kinds of problem in rows.

Each cell has RL steps on the left, step 0 being the SFT model, and the last checkpoint, problem length by problem
length, on the right. Longer problems are lighter. Bands and bars are 95 % Wilson intervals over problems of all seeds.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import check_groups, select_curves, summarize_accuracy
from selectimprove.presentation.figures._style import (
    STEP_LABEL,
    Look,
    choose_length_looks,
    choose_looks,
    draw_accuracy,
    finish_axes,
    grow,
    wrap_names,
)
from selectimprove.tasks.specs import KINDS

NEEDS = {"runs": "RL", "suites": "lengths", "by_kind": True, "by_length": True, "most": {"run": 12, "steps": 24}}
COLUMN = 3.6  # inches


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if a run, its SFT start, or a kind and number of steps are missing."""
    rows = select_curves(scores)
    curves = choose_looks(rows["curve"])
    lengths = sorted(rows["steps"].unique())
    check_groups(rows, {"curve": list(curves), "kind": KINDS, "steps": lengths})
    looks = choose_length_looks(lengths)
    titles, lines = wrap_names((look.label for look in curves.values()), COLUMN - 0.4, 11)
    shown = lengths[:: -(-len(lengths) * (len(str(lengths[-1])) + 1) // 16)]  # as many labels as there is room for
    figure = Figure(figsize=(1 + COLUMN * len(curves), 5.6), layout="constrained")
    grow(figure, lines - 1, 11)
    cells = figure.subfigures(1, len(curves), squeeze=False)[0]
    for cell, (curve, curve_look) in zip(cells, curves.items(), strict=True):
        cell.suptitle(titles[curve_look.label], fontsize=11)
        grid = cell.subplots(len(KINDS), 2, sharex="col", sharey=True, width_ratios=[2, 1])
        for (over_training, at_end), kind in zip(grid, KINDS, strict=True):
            panel = rows[(rows["curve"] == curve) & (rows["kind"] == kind)]
            for length, look in looks.items():
                draw_accuracy(over_training, panel[panel["steps"] == length], look, band_alpha=0.07)
            draw_end(at_end, panel, looks)
            over_training.set_ylabel(f"{kind}\naccuracy (pass@1, %)" if cell is cells[0] else "")
            finish_axes(over_training)
            finish_axes(at_end)
            at_end.set_xticks(shown)
        grid[-1, 0].set_xlabel(STEP_LABEL)
        grid[-1, 1].set_xlabel("steps of problem")
    handles, labels = over_training.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", title="steps of\nproblem", frameon=False, fontsize=8)
    return figure


def draw_end(axes: Axes, panel: pd.DataFrame, looks: dict[int, Look]) -> None:
    """Draw the accuracy at the last checkpoint for each number of steps, with its 95 % bar."""
    last = panel["checkpoint_step"].max()
    for bar in summarize_accuracy(panel[panel["checkpoint_step"] == last], ["steps"]).itertuples():
        axes.errorbar(
            bar.steps,
            100 * bar.accuracy,
            yerr=[[100 * (bar.accuracy - bar.low)], [100 * (bar.high - bar.accuracy)]],
            color=looks[bar.steps].color,
            marker="o",
            markersize=4,
        )
    axes.set_title(f"at step {last}", fontsize=8)
