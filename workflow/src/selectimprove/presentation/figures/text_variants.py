"""Text variants: accuracy during RL with a hidden, fixed symbol map and with a map stated in each prompt, by kind.

Step 0 is the SFT model. The band is the 95 % Wilson interval over problems.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import check_groups, select_curves
from selectimprove.presentation.figures._style import Look, draw_kinds
from selectimprove.tasks.specs import KINDS

NEEDS = {"runs": "RL", "by_kind": True, "axes": [["symbol_map"]], "cells": "MAP_LOOKS"}
MAP_LOOKS = {
    "fixed": Look("#000000", "o", "-", "map fixed and hidden"),
    "stated": Look("#D55E00", "D", "--", "map stated in each prompt"),
}


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if the scores of a map, of an RL run or of its SFT start are missing."""
    rows = select_curves(scores)
    check_groups(rows, {"symbol_map": tuple(MAP_LOOKS), "kind": KINDS})
    return draw_kinds(rows, "symbol_map", MAP_LOOKS, legend_columns=2)
