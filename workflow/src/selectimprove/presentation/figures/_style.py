"""What the figures share: a look for each curve that survives grey print and colour blindness, and drawn accuracies.

Names are of up to 100 characters: they are wrapped, and what holds them grows.
"""

import bisect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator

from selectimprove.measurement.analysis import summarize_accuracy
from selectimprove.tasks.specs import KINDS

STEP_LABEL = "RL step (updates)"
ACCURACY_LABEL = "accuracy, one sample (pass@1, %)"
MOST_MARKERS = 12


class Look(NamedTuple):
    color: str
    marker: str
    linestyle: str
    label: str


# Colours of Okabe and Ito (jfly.uni-koeln.de/color), chosen to differ in lightness too.
LOOKS = {
    "F": Look("#E69F00", "s", "--", "F (forward only)"),
    "B": Look("#0072B2", "^", "-.", "B (backward only)"),
    "FB": Look("#000000", "o", "-", "FB (forward or backward)"),
}
OTHER_LOOKS = (
    ("#D55E00", "D", "-"),
    ("#56B4E9", "v", "--"),
    ("#009E73", "P", "-."),
    ("#CC79A7", "X", ":"),
    ("#D55E00", ">", "--"),
    ("#56B4E9", "<", "-."),
    ("#009E73", "h", ":"),
    ("#CC79A7", "*", "-"),
    ("#D55E00", "p", "-."),
    ("#56B4E9", "d", ":"),
    ("#009E73", "H", "-"),
    ("#CC79A7", "x", "--"),
)
KIND_LOOKS = {
    "evaluation": Look("#E69F00", "s", "--", "evaluation"),
    "inversion": Look("#0072B2", "^", "-.", "inversion"),
}
MIXED_STYLE = {"marker": ".", "linestyle": ":"}  # of the share of mixed completions, in the colour of the kind
PART_COLORS = {"selection": "#E69F00", "improvement": "#0072B2"}  # of a gain


def choose_looks(curves: Iterable[str]) -> dict[str, Look]:
    """Return the look of each curve, in drawing order: F, B and FB first, the others by name.

    Raises ValueError if there are more others than looks.
    """
    names = set(curves)
    looks = {name: look for name, look in LOOKS.items() if name in names}
    return looks | choose_other_looks(sorted(names - set(LOOKS)))


def choose_other_looks(names: Sequence[str]) -> dict[str, Look]:
    """Return a look for each name, in their order. Raises ValueError if there are more names than looks."""
    if len(names) > len(OTHER_LOOKS):
        raise ValueError(f"found {len(names)} curves, but there are looks for {len(OTHER_LOOKS)}")
    return {name: Look(*look, name) for name, look in zip(names, OTHER_LOOKS, strict=False)}


def choose_routing_looks(kind: str, rows: pd.DataFrame) -> dict[str, Look]:
    """Return the look of each strategy whose share a kind shows: forward, and "mixed" if any of the rows is so."""
    look = KIND_LOOKS[kind]
    mixed = {"mixed": look._replace(**MIXED_STYLE, label=f"{kind}, mixed")}
    return {"forward": look} | (mixed if (rows["strategy"] == "mixed").any() else {})


def choose_shades(count: int) -> list[str]:
    """Return colours of one sequence, from dark to light; its lightest end is left out, since it fades into white."""
    viridis = matplotlib.colormaps["viridis"]
    return [matplotlib.colors.to_hex(viridis(0.9 * i / max(1, count - 1))) for i in range(count)]


def choose_length_looks(lengths: list[int]) -> dict[int, Look]:
    """Return a look for each length, a number of steps or parts: lighter with length."""
    return {
        length: Look(color, ".", "-", str(length))
        for length, color in zip(lengths, choose_shades(len(lengths)), strict=True)
    }


def draw_accuracy(axes: Axes, rows: pd.DataFrame, look: Look, band_alpha: float = 0.15) -> None:
    """Draw the accuracy of one curve's rows over RL steps, all seeds pooled, with its 95 % band."""
    draw_curve(axes, summarize_accuracy(rows, ["checkpoint_step"]), "accuracy", look, band_alpha)


def draw_curve(axes: Axes, line: pd.DataFrame, column: str, look: Look, band_alpha: float = 0.15) -> None:
    """Draw a column of shares over RL steps, in percent, with the band from `low` to `high`."""
    steps = line["checkpoint_step"]
    axes.fill_between(steps, 100 * line["low"], 100 * line["high"], color=look.color, alpha=band_alpha, linewidth=0)
    axes.plot(
        steps,
        100 * line[column],
        color=look.color,
        marker=look.marker,
        linestyle=look.linestyle,
        label=look.label,
        linewidth=1.6,
        markersize=4.5,
        markevery=1 + len(line) // MOST_MARKERS,
    )


def draw_intervals(axes: Axes, x: pd.Series, line: pd.DataFrame, column: str, **style: Any) -> None:
    """Draw a column of shares against `x`, in percent, with the bars from `low` to `high`."""
    errors = [100 * (line[column] - line["low"]), 100 * (line["high"] - line[column])]
    axes.errorbar(x, 100 * line[column], yerr=errors, **style)


def find_part_errors(table: pd.DataFrame, part: str) -> list[pd.Series]:
    """Return the error bars of a part of the gain, in points, below and above it; table: of decompose_gains."""
    return [100 * (table[part] - table[f"{part}_low"]), 100 * (table[f"{part}_high"] - table[part])]


def draw_kinds(rows: pd.DataFrame, column: str, looks: Mapping[str, Look], legend_columns: int) -> Figure:
    """Return a figure of accuracy over RL steps with a panel for each kind, and in it a line for each look's rows.

    looks: by the value that `column` has in the rows of its line.
    """
    figure = Figure(figsize=(7.6, 3.6), layout="constrained")
    panels = figure.subplots(1, len(KINDS), sharey=True)
    for axes, kind in zip(panels, KINDS, strict=True):
        for value, look in looks.items():
            of_line = rows[(rows[column] == value) & (rows["kind"] == kind)]
            draw_accuracy(axes, of_line, look)
            draw_seeds(axes, of_line, look)
        finish_axes(axes)
        axes.set_title(kind, fontsize=10)
        axes.set_xlabel(STEP_LABEL)
    panels[0].set_ylabel(ACCURACY_LABEL)
    add_legend(figure, *panels[0].get_legend_handles_labels(), columns=legend_columns)
    return figure


def draw_seeds(axes: Axes, rows: pd.DataFrame, look: Look) -> None:
    """Draw a thin line for each seed of one curve's rows, where there are several."""
    if rows["seed"].nunique() == 1:
        return
    for seed, line in summarize_accuracy(rows, ["seed", "checkpoint_step"]).groupby("seed"):
        axes.plot(
            line["checkpoint_step"],
            100 * line["accuracy"],
            color=look.color,
            linewidth=0.5,
            alpha=0.7,
            label=f"_{look.label}, seed {seed}",  # the underscore keeps it out of the legend
        )


def wrap_name(name: str, inches: float, fontsize: float) -> str:
    """Return a name in lines that are no wider than that, broken behind underscores and spaces if need be."""

    def measure(text: str) -> float:
        return TextPath((0, 0), text, size=fontsize).get_extents().width / 72

    if measure(name) <= inches:
        return name
    lines, line = [], ""
    for word in re.findall(r"[^_ ]*[_ ]+|[^_ ]+", name):
        if line and measure(line + word) > inches:
            lines.append(line)
            line = ""
        while measure(word) > inches:
            end = bisect.bisect_right(range(1, len(word)), inches, key=lambda length: measure(word[:length]))
            lines.append(word[:end])
            word = word[end:]
        line += word
    return "\n".join(text.strip() for text in (*lines, line))


def wrap_names(names: Iterable[str], inches: float, fontsize: float) -> tuple[dict[str, str], int]:
    """Return the wrapped form of each name, and the lines of the longest one."""
    wrapped = {name: wrap_name(name, inches, fontsize) for name in names}
    return wrapped, max(text.count("\n") + 1 for text in wrapped.values())


def grow(figure: Figure, lines: int, fontsize: float) -> None:
    """Make a figure taller by that many lines of text."""
    figure.set_figheight(figure.get_figheight() + lines * 1.3 * fontsize / 72)


def make_columns(names: Sequence[str], column: float, margin: float, height: float) -> tuple[Figure, np.ndarray]:
    """Return a figure of two rows of panels over RL steps, with a titled column for each name, and its panels.

    column: width of one, margin: what is beside them, height: with titles of one line; in inches.
    """
    titles, lines = wrap_names(names, column - 0.2, 9)
    figure = Figure(figsize=(margin + column * len(names), height), layout="constrained")
    grow(figure, lines - 1, 9)
    grid = figure.subplots(2, len(names), sharex="col", sharey=True, squeeze=False)
    for name, top, bottom in zip(names, *grid, strict=True):
        top.set_title(titles[name], fontsize=9)
        bottom.set_xlabel(STEP_LABEL)
    return figure, grid


def add_legend(
    figure: Figure, handles: Sequence[Artist], labels: Sequence[str], columns: int, fontsize: float = 8
) -> None:
    """Add a legend above the panels, in fewer columns if they are too wide, and make room for more than two lines."""
    names, lines = wrap_names(labels, figure.get_figwidth() - 0.9, fontsize)
    wrapped = [names[label] for label in labels]
    for count in range(columns, 0, -1):
        style = {"loc": "outside upper center", "ncols": count, "frameon": False, "fontsize": fontsize}
        legend = figure.legend(handles, wrapped, **style)
        if count == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()
    grow(figure, max(0, lines * -(-len(labels) // count) - 2), fontsize)


def finish_axes(axes: Axes) -> None:
    """Give an accuracy panel, once its lines are drawn, its scales, the upright one in percent, and its grid."""
    axes.set_ylim(-2, 102)
    axes.set_yticks(range(0, 101, 20))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6 if axes.dataLim.x1 < 10_000 else 3))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}" if x < 10_000 else f"{x / 1000:g}k")
    draw_grid(axes)


def draw_grid(axes: Axes) -> None:
    """Give a panel of any scale its grid."""
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
