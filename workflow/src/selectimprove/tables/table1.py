"""Table 1: accuracy of B, F and FB after SFT and at the end of RL on 2-5 and on 6-9 steps, beside the paper's.

All completions come from one suite (the paper's: problems of 6-9 steps).
"""

import itertools

import pandas as pd

from selectimprove.analysis import check_groups, summarize_accuracy
from selectimprove.specs import KINDS

MODELS = ("B", "F", "FB")
TRAININGS = {"sft": "SFT", "rl_2_5": "RL 2-5", "rl_6_9": "RL 6-9"}
SHOWN_KINDS = ("all", "inversion", "evaluation")

# Table 1 of arXiv 2606.13125: pass@1 in percent, in the order of SHOWN_KINDS.
PAPER = {
    ("B", "sft"): (24.5, 38.9, 11.9),
    ("B", "rl_2_5"): (18.4, 25.6, 10.1),
    ("B", "rl_6_9"): (50.8, 96.0, 11.6),
    ("F", "sft"): (57.0, 10.7, 97.1),
    ("F", "rl_2_5"): (48.0, 9.3, 91.7),
    ("F", "rl_6_9"): (58.3, 11.0, 99.3),
    ("FB", "sft"): (47.0, 27.1, 64.3),
    ("FB", "rl_2_5"): (60.0, 32.2, 91.5),
    ("FB", "rl_6_9"): (95.7, 94.1, 97.1),
}


def compute(scores: pd.DataFrame) -> pd.DataFrame:
    """Return 27 rows: model, training, kind, accuracy, low, high, seeds, worst_seed, best_seed, paper.

    Accuracies are fractions.

    low, high: 95 % Wilson interval over problems. worst_seed, best_seed: accuracy of the seed where it is lowest and
    highest. RL runs count with their last checkpoint.

    Raises ValueError if a cell has no scores, if two runs share a cell, or if there is more than one suite.
    """
    suites = sorted(scores["suite"].unique())
    if len(suites) > 1:
        raise ValueError(f"Table 1 is of one suite, but the scores are of {', '.join(suites)}")
    check_groups(scores, {"sft_run": MODELS, "training": tuple(TRAININGS), "kind": KINDS})
    scores = scores[scores["sft_run"].isin(MODELS) & scores["training"].isin(TRAININGS)]
    for (model, training), runs in scores.groupby(["sft_run", "training"])["run"].unique().items():
        if len(runs) > 1:
            raise ValueError(f"Table 1 takes one run for model {model}, training {training}, but has {', '.join(runs)}")
    scores = scores[scores["checkpoint_step"] == scores.groupby("run")["checkpoint_step"].transform("max")]
    pooled = pd.concat([scores, scores.assign(kind="all")])
    by = ["sft_run", "training", "kind"]
    of_seeds = summarize_accuracy(pooled, [*by, "seed"]).groupby(by)["accuracy"]
    cells = summarize_accuracy(pooled, by).set_index(by).assign(worst_seed=of_seeds.min(), best_seed=of_seeds.max())
    cells = cells.loc[list(itertools.product(MODELS, TRAININGS, SHOWN_KINDS))].reset_index()
    cells["paper"] = [percent / 100 for row in PAPER.values() for percent in row]
    columns = ["model", "training", "kind", "accuracy", "low", "high", "seeds", "worst_seed", "best_seed", "paper"]
    return cells.rename(columns={"sft_run": "model"})[columns]


def format_markdown(table: pd.DataFrame) -> str:
    """Return the table as nine rows of Markdown: accuracies in percent with their 95 % intervals, and the paper's.

    With several seeds, the range over them stands below the interval.
    """
    cells = table.set_index(["model", "training", "kind"])
    header = ["pass@1 (%)", "seeds", *(title for kind in SHOWN_KINDS for title in (f"{kind} [95 %]", "paper"))]
    rows = [header, ["---", *["---:"] * (len(header) - 1)]]
    for model, training in itertools.product(MODELS, TRAININGS):
        row = [f"{model}, {TRAININGS[training]}", str(cells.loc[(model, training, "all"), "seeds"])]
        for kind in SHOWN_KINDS:
            cell = cells.loc[(model, training, kind)]
            text = f"{100 * cell.accuracy:.1f} [{100 * cell.low:.1f}, {100 * cell.high:.1f}]"
            if cell.seeds > 1:
                text += f"<br>{100 * cell.worst_seed:.1f} to {100 * cell.best_seed:.1f}"
            row.append(text)
            row.append(f"{100 * cell.paper:.1f}")
        rows.append(row)
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
