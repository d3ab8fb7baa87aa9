"""Scale: what RL selects and improves, by the size of the model: weights of the matrices in its layers.

A column for each model (F, B, FB), a row for each kind. Lines show the two parts of the gain over the SFT model at the
end of RL, with 95 % bootstrap intervals over problems, diamonds the gain that they add up to; the grey line is the
accuracy of the SFT model, from which there is as much to gain as is left to 100 %. Points are single seeds.
"""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from selectimprove.measurement.analysis import check_groups, select_last, sort_models, summarize_accuracy
from selectimprove.measurement.decomposition import decompose_gains
from selectimprove.presentation.figures._style import PART_COLORS, add_legend, draw_grid, find_part_errors
from selectimprove.tasks.specs import KINDS

NEEDS = {
    "runs": "RL",
    "forced": True,
    "ends": True,
    "by_kind": True,
    "axes": [["model"], ["layer_weights"]],
    "most": {"run": 40},
}
MARKERS = {"selection": "s", "improvement": "^"}
START_COLOR = "0.6"


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if free or forced scores of a run, or of its SFT start, are missing."""
    ends = select_last(scores)
    settings = ends.loc[ends["checkpoint_step"] > 0].groupby("run")[["model", "layer_weights"]].first()
    models, sizes = sort_models(settings["model"]), settings["layer_weights"]
    pooled, seeds = (
        table.join(settings, on="run")
        for table in (decompose_gains(ends, ["kind"]), decompose_gains(ends, ["kind", "seed"]))
    )
    starts = ends[(ends["checkpoint_step"] == 0) & ends["forced_strategy"].isna()]
    accuracy = summarize_accuracy(starts, ["model", "layer_weights", "kind"])
    for model in models:
        own = sorted(sizes[settings["model"] == model])
        check_groups(pooled[pooled["model"] == model], {"layer_weights": own, "kind": KINDS})
    figure = Figure(figsize=(1 + 2.5 * max(2, len(models)), 5), layout="constrained")
    grid = figure.subplots(len(KINDS), len(models), sharex=True, sharey=True, squeeze=False)
    for model, column in zip(models, grid.T, strict=True):
        column[0].set_title(model, fontsize=10)
        column[-1].set_xlabel("weights in the layers (millions)", fontsize=9)
        for kind, axes in zip(KINDS, column, strict=True):
            before, parts, of_seeds = (
                table[(table["model"] == model) & (table["kind"] == kind)].sort_values("layer_weights")
                for table in (accuracy, pooled, seeds)
            )
            axes.plot(before["layer_weights"] / 1e6, 100 * before["accuracy"], color=START_COLOR, marker="o", ms=3)
            at = parts["layer_weights"] / 1e6
            for part, color in PART_COLORS.items():
                errors = find_part_errors(parts, part)
                axes.errorbar(at, 100 * parts[part], yerr=errors, color=color, marker=MARKERS[part], ms=5)
                if of_seeds["seed"].nunique() > 1:
                    axes.plot(of_seeds["layer_weights"] / 1e6, 100 * of_seeds[part], "o", color=color, ms=2)
            axes.plot(at, 100 * parts["gain"], "D", color="black", ms=4)
            axes.axhline(0, color="0.4", linewidth=0.6)
            axes.set_xscale("log")
            axes.set_xticks(sorted(sizes.unique() / 1e6), [f"{size / 1e6:.2g}" for size in sorted(sizes.unique())])
            axes.minorticks_off()
            axes.set_xlim(sizes.min() / 1.3e6, 1.3e-6 * sizes.max())  # also where there is one size
            draw_grid(axes)
    for kind, row in zip(KINDS, grid, strict=True):
        row[0].set_ylabel(f"{kind}\npart of the gain (points)")
    handles = [Line2D([], [], color=color, marker=MARKERS[part]) for part, color in PART_COLORS.items()]
    handles.append(Line2D([], [], color="black", marker="D", linestyle="none", markersize=4))
    handles.append(Line2D([], [], color=START_COLOR, marker="o", markersize=3))
    add_legend(figure, handles, [*PART_COLORS, "gain", "accuracy before RL (%)"], columns=4)
    return figure
