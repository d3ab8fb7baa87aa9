"""The parts of the gain between two tables of completions, drawn: a group of bars for each row of decompose_tables.

Selection and improvement are bars with their 95 % bootstrap intervals, the gain is a mark. A pale bar behind
improvement reaches from the least to the most that it can be, where a skill is not known.
"""

from collections.abc import Sequence

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from selectimprove.presentation.figures._style import PART_COLORS, add_legend, draw_grid, find_part_errors, wrap_names

HEIGHT = 0.36


def draw_parts(table: pd.DataFrame, by: Sequence[str]) -> Figure:
    """Return the figure of a table of decompose_tables; by: the columns that name its rows."""
    labels = [", ".join(f"{column} {row[column]}" for column in by) or "all" for row in table.to_dict("records")]
    names, lines = wrap_names(labels, 2.5, 8)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = Figure(figsize=(6.4, 1.2 + max(0.6, 0.3 * lines) * len(labels)), layout="constrained")
        axes = figure.subplots()
        bounds = [100 * table[f"improvement_{end}"] for end in ("least", "most")]
        for side, (part, color) in zip((-0.5, 0.5), PART_COLORS.items(), strict=True):
            places = [place + side * HEIGHT for place in range(len(table))]
            if part == "improvement":
                axes.barh(places, bounds[1] - bounds[0], HEIGHT, left=bounds[0], color=color, alpha=0.25)
            errors = find_part_errors(table, part)
            axes.barh(places, 100 * table[part], HEIGHT, xerr=errors, color=color, error_kw={"elinewidth": 0.8})
        axes.plot(100 * table["gain"], range(len(table)), "D", color="black", markersize=4)
        axes.axvline(0, color="0.4", linewidth=0.6)
        draw_grid(axes)
        axes.set_yticks(range(len(table)), [names[label] for label in labels], fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel("part of the gain (points)")
        handles = [*(Patch(color=color) for color in PART_COLORS.values())]
        handles.append(Line2D([], [], color="black", marker="D", linestyle="none", markersize=4))
        add_legend(figure, handles, [*PART_COLORS, "gain"], columns=3)
    return figure
