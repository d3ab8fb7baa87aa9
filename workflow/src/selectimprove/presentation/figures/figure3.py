"""Figure 3: accuracy on held-out problems during RL, a panel for each kind of problem; a line for each SFT start.

Step 0 is the SFT model. The band is the 95 % Wilson interval over problems; thin lines are single seeds.
"""

import pandas as pd
from matplotlib.figure import Figure

from selectimprove.measurement.analysis import check_groups, select_curves
from selectimprove.presentation.figures._style import choose_looks, draw_kinds
from selectimprove.tasks.specs import KINDS

NEEDS = {"runs": "RL", "by_kind": True, "most": {"run": 12}}


def draw(scores: pd.DataFrame) -> Figure:
    """Return the figure. Raises ValueError if the scores of an RL run, its SFT start or a kind are missing."""
    rows = select_curves(scores)
    looks = choose_looks(rows["curve"])
    check_groups(rows, {"curve": list(looks), "kind": KINDS})
    return draw_kinds(rows, "curve", looks, legend_columns=3)
