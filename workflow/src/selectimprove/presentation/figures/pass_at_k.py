"""pass@k of the SFT models (dotted) and after RL (solid), by kind, and by number of steps in two halves.

Where the dotted line meets the solid one at large k, RL brings to one sample what the SFT model held already; where it
stays below, RL went beyond it. Unbiased estimates; bands are 95 % bootstrap intervals over problems.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import check_groups, select_ends, summarize_pass_at_k
from selectimprove.presentation.figures._style import add_legend, choose_looks, draw_grid
from selectimprove.tasks.specs import KINDS

NEEDS = {"runs": "RL", "by_kind": True, "by_length": True, "most": {"run": 12}}
STYLES = {"SFT": ":", "RL": "-"}


def list_ks(scores: pd.DataFrame) -> list[int]:
    """Return the powers of two up to the number of completions a problem."""
    completions = int(scores["sample"].max()) + 1
    return [2**power for power in range(completions.bit_length())]


def halve_steps(scores: pd.DataFrame) -> pd.Series:
    """Return for each row the half of the numbers of steps that it belongs to, such as "6-7"."""
    lengths = sorted(scores["steps"].unique())
    middle = (len(lengths) + 1) // 2
    halves = [half for half in (lengths[:middle], lengths[middle:]) if half]
    return scores["steps"].map({length: f"{half[0]}-{half[-1]}" for half in halves for length in half})


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if the scores of a run, of its SFT start or of a kind are missing."""
    rows = select_ends(scores)
    rows["half"] = halve_steps(rows)
    looks = choose_looks(rows["curve"])
    halves = sorted(rows["half"].unique(), key=lambda half: int(half.partition("-")[0]))
    check_groups(rows, {"curve": list(looks), "stage": list(STYLES), "kind": KINDS, "half": halves})
    summary = summarize_pass_at_k(rows, ["curve", "stage", "kind", "half"], list_ks(rows))
    figure = Figure(figsize=(7.6, 5.6), layout="constrained")
    grid = figure.subplots(len(KINDS), len(halves), sharex=True, sharey=True, squeeze=False)
    for kind, panels in zip(KINDS, grid, strict=True):
        for half, axes in zip(halves, panels, strict=True):
            panel = summary[(summary["kind"] == kind) & (summary["half"] == half)]
            for (curve, stage), line in panel.groupby(["curve", "stage"]):
                color = looks[curve].color
                axes.fill_between(line["k"], 100 * line["low"], 100 * line["high"], color=color, alpha=0.1, linewidth=0)
                axes.plot(
                    line["k"],
                    100 * line["pass_at_k"],
                    color=color,
                    linestyle=STYLES[stage],
                    marker=looks[curve].marker,
                    markersize=3.5,
                    label=f"{curve}, {stage}",
                )
            axes.set_xscale("log", base=2)
            axes.set_ylim(-2, 102)
            draw_grid(axes)
            axes.set_title(f"{kind}, {half} steps", fontsize=9)
        panels[0].set_ylabel("pass@k (%)")
    for axes in grid[-1]:
        axes.set_xlabel("k")
    add_legend(figure, *grid[0, 0].get_legend_handles_labels(), columns=3)
    return figure
