"""RL ablation: accuracy at the end of RL by learning rate, group size and beta, a heat map for each SFT start."""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import sort_models, summarize_settings

NEEDS = {
    "runs": "RL alone",
    "axes": [["model"], ["learning_rate", "completions_per_prompt"], ["beta"]],
    "most": {"run": 100},
}


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure, from the last checkpoint of each RL run.

    Raises ValueError if two runs of one model share their settings, or if the runs leave a cell of a map empty.
    """
    cells = summarize_settings(scores[scores["training"] != "sft"], NEEDS["axes"])
    models = sort_models(cells["model"])
    _, rates, betas = NEEDS["axes"]
    tables = [
        cells[cells["model"] == model].pivot(index=rates, columns=betas[0], values="accuracy") for model in models
    ]
    rows = [f"{rate:g}, {group:g}" for rate, group in tables[0].index]
    columns = [f"{beta:g}" for beta in tables[0].columns]
    wide = sum(0.12 + 0.09 * len(column) for column in columns)
    size = (max(2.9, 0.9 + wide) * len(models) + 0.8, max(3.2, 1.0 + 0.25 * len(rows)))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    for axes, model, table in zip(panels, models, tables, strict=True):
        image = axes.imshow(100 * table.to_numpy(), vmin=0, vmax=100, cmap="viridis", aspect="auto")
        for row, values in enumerate(100 * table.to_numpy()):
            for column, value in enumerate(values):
                color = "black" if value > 60 else "white"
                axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=color, fontsize=9)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_title(model, fontsize=10)
        axes.set_xlabel("beta")
    panels[0].set_ylabel("learning rate, group size")
    figure.colorbar(image, ax=panels, label="pass@1 (%)")
    return figure
