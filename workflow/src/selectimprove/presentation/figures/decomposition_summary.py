"""Decomposition of all runs: selection and improvement at the end of RL, by kind; a column for each range of steps.

Bars show the two parts of the gain over the SFT model, with 95 % bootstrap intervals over problems; points are single
seeds.
"""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from selectimprove.measurement.analysis import check_groups, select_last
from selectimprove.measurement.decomposition import decompose_gains, find_step_ranges
from selectimprove.presentation.figures._style import PART_COLORS, add_legend, draw_grid, find_part_errors, wrap_names
from selectimprove.tasks.specs import KINDS

NEEDS = {
    "runs": "RL",
    "suites": "lengths",
    "forced": True,
    "ends": True,
    "by_kind": True,
    "most": {"run": 24, "suite": 8},
}
HEIGHT = 0.36


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if free or forced scores of a run, or of its SFT start, are missing."""
    ends = select_last(scores)
    runs = list(ends.loc[ends["checkpoint_step"] > 0, "run"].unique())
    ranges = find_step_ranges(ends)
    names, lines = wrap_names(runs, 2.5, 7)
    size = (max(7.6, 2.4 + 2.4 * len(ranges)), 1 + max(0.62, 0.27 * lines) * len(runs) * len(KINDS) / 2)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(KINDS), len(ranges), sharex=True, sharey=True, squeeze=False)
    for column, (shortest, longest) in zip(grid.T, ranges, strict=True):
        rows = ends[ends["steps"].between(shortest, longest)]
        pooled, seeds = decompose_gains(rows, ["kind"]), decompose_gains(rows, ["kind", "seed"])
        check_groups(pooled, {"run": runs, "kind": KINDS})
        for kind, axes in zip(KINDS, column, strict=True):
            for side, (part, color) in zip((-0.5, 0.5), PART_COLORS.items(), strict=True):
                bars = pooled[pooled["kind"] == kind].set_index("run").loc[runs]
                places = [place + side * HEIGHT for place in range(len(runs))]
                errors = find_part_errors(bars, part)
                axes.barh(places, 100 * bars[part], HEIGHT, xerr=errors, color=color, error_kw={"elinewidth": 0.8})
                for place, run in zip(places, runs, strict=True):
                    of_run = seeds[(seeds["run"] == run) & (seeds["kind"] == kind)]
                    if len(of_run) > 1:
                        axes.plot(100 * of_run[part], [place] * len(of_run), "o", color="black", markersize=2)
            draw_grid(axes)
            axes.axvline(0, color="0.4", linewidth=0.6)
            axes.set_yticks(range(len(runs)), names.values(), fontsize=7)
        column[0].set_title(f"problems of {shortest}-{longest} steps", fontsize=9)
        column[-1].set_xlabel("part of the gain (points)")
    grid[0, 0].invert_yaxis()
    for kind, row in zip(KINDS, grid, strict=True):
        row[0].set_ylabel(kind)
    handles = [Patch(color=color, label=part) for part, color in PART_COLORS.items()]
    add_legend(figure, handles, list(PART_COLORS), columns=2)
    return figure
