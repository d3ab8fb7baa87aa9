"""Curation: what RL on prompts of each band of pass rates selects and improves, by how often its start solved them.

A column for each range of steps, a row for each kind. Bars show the two parts of the gain over the SFT model at the end
of RL, with 95 % bootstrap intervals over problems, diamonds the gain that they add up to; points are single seeds. RL
on "all" took prompts that were not filtered.
"""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from selectimprove.measurement.analysis import check_groups, select_last
from selectimprove.measurement.decomposition import decompose_gains, find_step_ranges
from selectimprove.presentation.figures._style import PART_COLORS, add_legend, draw_grid, find_part_errors
from selectimprove.tasks.specs import KINDS

NEEDS = {
    "runs": "RL",
    "suites": "lengths",
    "forced": True,
    "ends": True,
    "by_kind": True,
    "axes": [["pass_rate"]],
    "most": {"run": 8, "suite": 6},
}
WIDTH = 0.36


def sort_bands(bands: set[str]) -> list[str]:
    """Return bands such as "0.1-0.5" in the order of their pass rates, "all" behind them."""
    return sorted(bands, key=lambda band: (band == "all", [] if band == "all" else list(map(float, band.split("-")))))


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if free or forced scores of a run, or of its SFT start, are missing."""
    ends = select_last(scores)
    band_of = ends[ends["checkpoint_step"] > 0].groupby("run")["pass_rate"].first()
    bands, ranges = sort_bands(set(band_of)), find_step_ranges(ends)
    places = {band: place for place, band in enumerate(bands)}
    panel_width = max(2.3, 0.55 * len(bands))
    figure = Figure(figsize=(1 + panel_width * max(3, len(ranges)), 5), layout="constrained")
    grid = figure.subplots(len(KINDS), len(ranges), sharex=True, sharey=True, squeeze=False)
    for column, (shortest, longest) in zip(grid.T, ranges, strict=True):
        rows = ends[ends["steps"].between(shortest, longest)]
        pooled, seeds = (
            table.assign(band=table["run"].map(band_of))
            for table in (decompose_gains(rows, ["kind"]), decompose_gains(rows, ["kind", "seed"]))
        )
        check_groups(pooled, {"band": bands, "kind": KINDS})
        for kind, axes in zip(KINDS, column, strict=True):
            bars = pooled[pooled["kind"] == kind].set_index("band").loc[bands]
            for side, (part, color) in zip((-0.5, 0.5), PART_COLORS.items(), strict=True):
                errors = find_part_errors(bars, part)
                own = [place + side * WIDTH for place in places.values()]
                axes.bar(own, 100 * bars[part], WIDTH, yerr=errors, color=color, error_kw={"elinewidth": 0.8})
                of_kind = seeds[seeds["kind"] == kind]
                if of_kind["seed"].nunique() > 1:
                    at = of_kind["band"].map(places) + side * WIDTH
                    axes.plot(at, 100 * of_kind[part], "o", color="black", markersize=2)
            axes.plot(list(places.values()), 100 * bars["gain"], "D", color="black", markersize=4)
            axes.axhline(0, color="0.4", linewidth=0.6)
            draw_grid(axes)
            axes.set_xticks(list(places.values()), bands, fontsize=7)
        column[0].set_title(f"problems of {shortest}-{longest} steps", fontsize=9)
        column[-1].set_xlabel("pass rate of the prompts before RL", fontsize=9)
    for kind, row in zip(KINDS, grid, strict=True):
        row[0].set_ylabel(f"{kind}\npart of the gain (points)")
    handles = [*(Patch(color=color) for color in PART_COLORS.values())]
    handles.append(Line2D([], [], color="black", marker="D", linestyle="none", markersize=4))
    add_legend(figure, handles, [*PART_COLORS, "gain"], columns=3)
    return figure
