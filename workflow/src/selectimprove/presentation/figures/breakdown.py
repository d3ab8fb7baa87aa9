"""Breakdown: when the choice of a strategy does not become one of the kind, by the base's logs and the prompts' form.

Above: the share of forward completions over RL steps, by kind, with 95 % bands; a row for each place of the question in
the prompt, a column for each share of forward execution in the logs of the base. Below on the left: the conditional
choice at the end of RL, P(forward | evaluation) - P(forward | inversion) in points: 100 where every problem is opened
as suits it, 0 where the kind has no part in the choice. On the right: the same against how unequal the skills were
before RL, accuracy when made to open forward on evaluation less accuracy when made to open backward on inversion.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import (
    check_groups,
    credit_strategies,
    select_curves,
    select_last,
    summarize_share,
)
from selectimprove.presentation.figures._style import (
    KIND_LOOKS,
    STEP_LABEL,
    add_legend,
    draw_curve,
    draw_grid,
    finish_axes,
)
from selectimprove.tasks.specs import KINDS
from selectimprove.tasks.strategies import SUITED

NEEDS = {
    "runs": "RL",
    "forced": True,
    "ends": True,
    "by_kind": True,
    "axes": [["text"], ["log_forward_share"]],
    "most": {"run": 24},
}
PLACES = {"symbolic": "question last", "symbolic_question_first": "question first"}  # of a base's text form
MARKERS = dict(zip(PLACES, "os", strict=True))


def subtract_inversion(shares: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Return, by `keys`, the share of evaluation less that of inversion, from a table of summarize_share."""
    wide = shares.pivot(index=keys, columns="kind", values="share")
    return (wide["evaluation"] - wide["inversion"]).astype(float)


def measure_choice(ends: pd.DataFrame) -> pd.DataFrame:
    """Return the conditional choice of each run at its last checkpoint: run, text, log_forward_share, choice."""
    keys = ["run", "text", "log_forward_share"]
    rows = ends[(ends["checkpoint_step"] > 0) & ends["forced_strategy"].isna()]
    shares = summarize_share(rows, [*keys, "kind"], rows["strategy"] == "forward")
    return subtract_inversion(shares, keys).rename("choice").reset_index()


def measure_skill_gap(scores: pd.DataFrame) -> pd.Series:
    """Return, by SFT run, its skill at the strategy that suits evaluation less that at the one that suits inversion."""
    starts = scores[(scores["checkpoint_step"] == 0) & (scores["forced_strategy"] == scores["kind"].map(SUITED))]
    skill = summarize_share(credited := credit_strategies(starts), ["run", "kind"], credited["correct"])
    return subtract_inversion(skill, ["run"])


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if scores of an RL run, or free or forced ones of its start, are missing."""
    rows = select_curves(scores[scores["forced_strategy"].isna()])
    trained = rows[rows["checkpoint_step"] > 0]
    places = [text for text in PLACES if text in set(trained["text"])]
    shares = sorted(trained["log_forward_share"].unique())
    choice = measure_choice(select_last(scores))
    height, width = 1 + 1.7 * len(places), max(7.6, 1 + 1.8 * len(shares))
    figure = Figure(figsize=(width, height + 3), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[height, 3])
    grid = above.subplots(len(places), len(shares), sharex=True, sharey=True, squeeze=False)
    for text, row in zip(places, grid, strict=True):
        for share, axes in zip(shares, row, strict=True):
            own = rows[(rows["text"] == text) & (rows["log_forward_share"] == share)]
            check_groups(own, {"kind": KINDS})
            for kind in KINDS:
                of_kind = own[own["kind"] == kind]
                line = summarize_share(of_kind, ["checkpoint_step"], of_kind["strategy"] == "forward")
                draw_curve(axes, line, "share", KIND_LOOKS[kind])
            finish_axes(axes)
        row[0].set_ylabel(f"{PLACES[text]}\nopened forward (%)", fontsize=8)
    for share, axes in zip(shares, grid[0], strict=True):
        axes.set_title(f"{100 * share:g} % of logs forward", fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel(STEP_LABEL, fontsize=8)
    matrix, against = below.subplots(1, 2)
    draw_map(matrix, choice, places, shares)
    roots = trained.groupby("run")["sft_run"].first()
    gaps = choice["run"].map(roots).map(measure_skill_gap(scores))
    if gaps.isna().any():
        run = roots[choice["run"][gaps.isna()].iloc[0]]
        raise ValueError(f"there are no scores of {run} made to open as suits each kind")
    draw_against_gap(against, choice.assign(gap=gaps), places)
    add_legend(figure, *grid[0, 0].get_legend_handles_labels(), columns=2)
    return figure


def draw_map(axes: Axes, choice: pd.DataFrame, places: list[str], shares: list[float]) -> None:
    """Draw the conditional choice as a map: a row for each text form, a column for each share."""
    table = 100 * choice.pivot(index="text", columns="log_forward_share", values="choice").loc[places, shares]
    axes.imshow(table.to_numpy(), vmin=-100, vmax=100, cmap="PuOr", aspect="auto")
    for row, values in enumerate(table.to_numpy()):
        for column, value in enumerate(values):
            color = "white" if abs(value) > 60 else "black"
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(len(shares)), [f"{100 * share:g}" for share in shares])
    axes.set_yticks(range(len(places)), [PLACES[text].replace(" ", "\n") for text in places], fontsize=8)
    axes.set_xlabel("logs executed forward (%)", fontsize=9)
    axes.set_title("conditional choice after RL", fontsize=9)


def draw_against_gap(axes: Axes, choice: pd.DataFrame, places: list[str]) -> None:
    """Draw the conditional choice of each run against the gap of the skills before RL."""
    for text in places:
        own = choice[choice["text"] == text]
        color = "black" if text == places[0] else "#D55E00"
        axes.plot(100 * own["gap"], 100 * own["choice"], MARKERS[text], color=color, label=PLACES[text])
    axes.axhline(0, color="0.4", linewidth=0.6)
    axes.axvline(0, color="0.4", linewidth=0.6)
    axes.set_xlabel("forward less backward skill before RL (points)", fontsize=9)
    axes.set_ylabel("conditional choice (points)", fontsize=9)
    axes.legend(fontsize=7, frameon=False)
    draw_grid(axes)
