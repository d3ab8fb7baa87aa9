"""Coverage: the problems that a model solves by sampling, SFT model against RL, by kind.

A problem is solved if more of its completions are right than 99 % of guessers, right one time in as many as the task
has values, would have. Gained problems are what RL adds to what the SFT model could reach, lost ones what it gives up.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import check_groups, summarize_coverage
from selectimprove.presentation.figures._style import add_legend, wrap_names
from selectimprove.tasks.specs import KINDS

NEEDS = {"runs": "RL", "completions": 3, "by_kind": True, "most": {"run": 24}}  # of two, more than luck can be none
COLORS = {"both": "#DDDDDD", "gained": "#009E73", "lost": "#D55E00", "neither": "#000000"}
LABELS = {"both": "solved by both", "gained": "by RL only", "lost": "by the SFT model only", "neither": "by neither"}


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if the scores of a run, of its SFT start or of a kind are missing."""
    shares = summarize_coverage(scores, ["kind"])
    runs = list(shares["run"].unique())
    check_groups(shares, {"run": runs, "kind": KINDS})
    names, lines = wrap_names(runs, 1.6, 10)
    figure = Figure(figsize=(7.6, 1.2 + max(0.35, 0.2 * lines) * len(runs)), layout="constrained")
    panels = figure.subplots(1, len(KINDS), sharey=True)
    for axes, kind in zip(panels, KINDS, strict=True):
        bars = shares[shares["kind"] == kind].set_index("run").loc[runs]
        left = 0 * bars["both"]
        for outcome, color in COLORS.items():
            axes.barh(range(len(runs)), 100 * bars[outcome], left=100 * left, color=color, label=LABELS[outcome])
            left = left + bars[outcome]
        axes.set_yticks(range(len(runs)), names.values())
        axes.set_title(kind, fontsize=10)
        axes.set_xlabel(f"problems (%), {int(scores['sample'].max()) + 1} completions each")
        axes.set_xlim(0, 100)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    add_legend(figure, *panels[0].get_legend_handles_labels(), columns=len(COLORS))
    return figure
