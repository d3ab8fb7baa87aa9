"""RL ablation: accuracy at the end of RL by learning rate, group size and beta, a heat map for each SFT start."""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import summarize_settings


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure, from the last checkpoint of each RL run.

    Raises ValueError if two runs of one model share their settings.
    """
    trained = scores[scores["training"] != "sft"]
    cells = summarize_settings(trained, ["learning_rate", "completions_per_prompt", "beta"])
    models = [model for model in ("B", "F", "FB") if (cells["model"] == model).any()]
    figure = Figure(figsize=(2.9 * len(models) + 0.8, 3.2), layout="constrained")
    panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    for axes, model in zip(panels, models, strict=True):
        of_model = cells[cells["model"] == model]
        table = of_model.pivot(index=["learning_rate", "completions_per_prompt"], columns="beta", values="accuracy")
        image = axes.imshow(100 * table.to_numpy(), vmin=0, vmax=100, cmap="viridis", aspect="auto")
        for row, values in enumerate(100 * table.to_numpy()):
            for column, value in enumerate(values):
                color = "black" if value > 60 else "white"
                axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=color, fontsize=9)
        axes.set_xticks(range(len(table.columns)), [f"{beta:g}" for beta in table.columns])
        axes.set_yticks(range(len(table)), [f"{rate:g}, {group:g}" for rate, group in table.index])
        axes.set_title(model, fontsize=10)
        axes.set_xlabel("beta")
    panels[0].set_ylabel("learning rate, group size")
    figure.colorbar(image, ax=panels, label="pass@1 (%)")
    return figure
