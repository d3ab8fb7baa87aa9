"""Table 1: accuracy of B, F and FB after SFT and at the end of RL on 2-5 and on 6-9 steps, beside the paper's.

All completions come from one suite (the paper's: problems of 6-9 steps). There is a row for each run that was declared
for the table.
"""

import math

import pandas as pd

from selectimprove.presentation.tables._accuracy import SHOWN_KINDS, format_models, summarize_models

NEEDS = {"by_kind": True, "axes": [["model", "stage"]], "some_of": "PAPER"}

# Table 1 of arXiv 2606.13125: pass@1 in percent, in the order of SHOWN_KINDS.
PAPER = {
    ("B", "SFT"): (24.5, 38.9, 11.9),
    ("B", "RL 2-5"): (18.4, 25.6, 10.1),
    ("B", "RL 6-9"): (50.8, 96.0, 11.6),
    ("F", "SFT"): (57.0, 10.7, 97.1),
    ("F", "RL 2-5"): (48.0, 9.3, 91.7),
    ("F", "RL 6-9"): (58.3, 11.0, 99.3),
    ("FB", "SFT"): (47.0, 27.1, 64.3),
    ("FB", "RL 2-5"): (60.0, 32.2, 91.5),
    ("FB", "RL 6-9"): (95.7, 94.1, 97.1),
}


def compute(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of summarize_models with the paper's accuracy, missing for RL that it does not have.

    Raises ValueError if none of them is a row of the paper's table.
    """
    cells = summarize_models(scores)
    if not PAPER.keys() & set(zip(cells["model"], cells["training"], strict=True)):
        raise ValueError("there are no scores for any row of the paper's Table 1")
    none = (math.nan,) * len(SHOWN_KINDS)
    rows = zip(cells["model"], cells["training"], cells["kind"], strict=True)
    cells["paper"] = [
        PAPER.get((model, training), none)[SHOWN_KINDS.index(kind)] / 100 for model, training, kind in rows
    ]
    return cells


format_markdown = format_models
