"""Decomposition: the gain of each RL run over its SFT model at the end, split into selection and improvement.

By kind in each suite, and in the CSV by number of steps as well. Definitions: decomposition.py.
"""

import pandas as pd

from selectimprove.measurement.analysis import select_last
from selectimprove.measurement.decomposition import decompose_gains, find_step_ranges
from selectimprove.measurement.gains import PARTS
from selectimprove.measurement.markdown import format_rows

NEEDS = {"runs": "RL", "suites": "lengths", "forced": True, "ends": True, "by_kind": True}


def compute(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each run, kind and number of steps, and one for each kind and range of steps of a suite.

    Columns: run, kind, steps (such as "6" or "6-9"), problems, and gain, selection and improvement with their bounds
    (see decompose_gains), lowest and highest seed of the three where steps are a range.

    Raises ValueError if free or forced scores of a run, or of its SFT start, are missing.
    """
    ends = select_last(scores)
    single = decompose_gains(ends, ["kind", "steps"])
    tables = [single.assign(steps=single["steps"].astype(str))]
    for shortest, longest in find_step_ranges(ends):
        rows = ends[ends["steps"].between(shortest, longest)]
        table = decompose_gains(rows, ["kind"]).assign(steps=f"{shortest}-{longest}")
        seeds = decompose_gains(rows, ["kind", "seed"]).groupby(["run", "kind"])[list(PARTS)].agg(["min", "max"])
        seeds.columns = [f"{part}_{'worst' if end == 'min' else 'best'}_seed" for part, end in seeds.columns]
        tables.insert(-1, table.merge(seeds.reset_index(), on=["run", "kind"]))
    return pd.concat(tables, ignore_index=True).drop(columns="checkpoint_step")


def format_markdown(table: pd.DataFrame) -> str:
    """Return the rows of the ranges of steps as Markdown, in points; with several seeds, their range below."""
    rows = [["run", "kind", "steps", *(f"{part} [95 %]" for part in PARTS)], ["---", "---", "---:", *["---:"] * 3]]
    for _, row in table[table["steps"].str.contains("-")].iterrows():
        cells = []
        for part in PARTS:
            text = f"{100 * row[part]:+.1f} [{100 * row[f'{part}_low']:.1f}, {100 * row[f'{part}_high']:.1f}]"
            worst, best = row[f"{part}_worst_seed"], row[f"{part}_best_seed"]
            cells.append(text if worst == best else f"{text}<br>{100 * worst:+.1f} to {100 * best:+.1f}")
        rows.append([row["run"], row["kind"], row["steps"], *cells])
    return format_rows(rows)
