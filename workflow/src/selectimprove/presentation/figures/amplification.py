"""Amplification: the share of forward completions during RL on mixtures of evaluation and inversion problems.

Left: over RL steps, on a held-out mixture with the share of evaluation problems of the run's own training. Middle: at
the end, against that share; on the diagonal, each problem is solved by the strategy that suits its kind. Right: the
same completions by kind; amplification that is only selection keeps these at 100 and 0 %, whatever the mixture. Dotted,
where there are any: mixed completions, which open with one strategy and go on in the other.
"""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from selectimprove.measurement.analysis import select_curves, select_last, summarize_share
from selectimprove.presentation.figures._style import (
    STEP_LABEL,
    choose_routing_looks,
    choose_shades,
    draw_intervals,
    finish_axes,
)
from selectimprove.tasks.specs import KINDS

NEEDS = {"runs": "RL", "by_kind": True, "axes": [["evaluation_share"]], "most": {"run": 12}}


def mix_shares(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the forward share of each run's own mixture of kinds: evaluation_share, checkpoint_step, share."""
    by_kind = summarize_share(rows, ["evaluation_share", "checkpoint_step", "kind"], rows["strategy"] == "forward")
    weights = by_kind["evaluation_share"].where(by_kind["kind"] == "evaluation", 1 - by_kind["evaluation_share"])
    mixed = by_kind.assign(share=by_kind["share"] * weights)
    return mixed.groupby(["evaluation_share", "checkpoint_step"], as_index=False)["share"].sum()


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if the scores of an RL run or of its SFT start are missing."""
    rows = select_curves(scores)
    # The SFT model stands at step 0 of each run: there it takes the mixture of that run.
    rows["evaluation_share"] = rows["curve"].map(
        rows[rows["checkpoint_step"] > 0].groupby("curve")["evaluation_share"].first()
    )
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    over_training, at_end, by_kind = figure.subplots(1, 3)
    shares = sorted(rows["evaluation_share"].unique(), reverse=True)
    colors = dict(zip(shares, choose_shades(len(shares)), strict=True))
    for mixture, line in mix_shares(rows).groupby("evaluation_share"):
        label = f"{100 * mixture:g} %"
        over_training.plot(line["checkpoint_step"], 100 * line["share"], color=colors[mixture], marker=".", label=label)
    over_training.legend(
        title="evaluation problems in RL",
        ncols=min(len(shares), 30 // (2 + max(len(f"{100 * share:g} %") for share in shares))),
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        fontsize=7,
        title_fontsize=7,
        frameon=False,
        columnspacing=0.8,
        handlelength=1,
    )
    last = select_last(rows[rows["checkpoint_step"] > 0])
    final = mix_shares(last)
    at_end.plot([0, 100], [0, 100], color="0.6", linestyle=":", linewidth=1)
    at_end.plot(100 * final["evaluation_share"], 100 * final["share"], color="black", marker="o")
    for kind in KINDS:
        of_kind = last[last["kind"] == kind]
        for strategy, look in choose_routing_looks(kind, last).items():
            line = summarize_share(of_kind, ["evaluation_share"], of_kind["strategy"] == strategy)
            draw_intervals(
                by_kind,
                100 * line["evaluation_share"],
                line,
                "share",
                color=look.color,
                marker=look.marker,
                linestyle=look.linestyle,
                label=look.label,
            )
    by_kind.legend(ncols=len(KINDS), loc="lower center", bbox_to_anchor=(0.5, 1), fontsize=7, frameon=False)
    for axes in (over_training, at_end, by_kind):
        finish_axes(axes)
    for axes in (at_end, by_kind):
        axes.set_xlim(-2, 102)
        axes.set_xlabel("evaluation problems in RL (%)")
        axes.xaxis.set_major_formatter(PercentFormatter(symbol=""))
    over_training.set_xlabel(STEP_LABEL)
    over_training.set_ylabel("forward completions (%)")
    return figure
