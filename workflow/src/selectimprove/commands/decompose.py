"""The gain between two tables of completions, of any task and model, split into selection and improvement.

    python -m selectimprove decompose before.csv after.csv --by kind --forced forced_before.csv forced_after.csv

A table has a row a completion, as Parquet, CSV or JSON Lines, with the columns problem, strategy and correct, and those
named by --by. What is printed, and what the columns of the CSV mean, is told in measurement/gains.py and, with an
example, in docs/decompose.md.
"""

import argparse
from pathlib import Path

import pandas as pd

from selectimprove.files import write_whole
from selectimprove.measurement.gains import PARTS, decompose_tables
from selectimprove.measurement.markdown import format_rows
from selectimprove.terminal import print_text

READERS = {
    ".parquet": pd.read_parquet,
    ".csv": pd.read_csv,
    ".jsonl": lambda file: pd.read_json(file, lines=True),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("before", type=Path, metavar="BEFORE", help="completions before: .parquet, .csv or .jsonl")
    parser.add_argument("after", type=Path, metavar="AFTER", help="completions of the same problems after")
    parser.add_argument("--by", nargs="+", default=[], metavar="COLUMN", help="a row for each value of these")
    parser.add_argument(
        "--forced", nargs=2, type=Path, metavar=("BEFORE", "AFTER"), help="completions made to follow their strategy"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="decomposition.csv, .pdf and .png go there")


def read_completions(file: Path) -> pd.DataFrame:
    """Return the table in a file. Raises ValueError, naming it, on another suffix and on what cannot be read."""
    if file.suffix not in READERS:
        raise ValueError(f"{file}: found suffix {file.suffix!r}, must be {', '.join(READERS)}")
    try:
        return READERS[file.suffix](file)
    except FileNotFoundError:
        raise
    except (ValueError, OSError) as error:
        raise ValueError(f"{file}: cannot be read as a table: {error}") from error


def format_parts(table: pd.DataFrame, by: list[str]) -> str:
    """Return the table in words: percent, points and 95 % intervals, and what is not known."""
    titles = [*by, "problems", "before (%)", "after (%)", *(f"{part} [95 %]" for part in PARTS)]
    rows = [titles, ["---"] * len(by) + ["---:"] * (len(titles) - len(by))]
    for row in table.to_dict("records"):
        parts = [
            f"{100 * row[part]:+.1f} [{100 * row[f'{part}_low']:.1f}, {100 * row[f'{part}_high']:.1f}]"
            for part in PARTS
        ]
        shares = [f"{100 * row[name]:.1f}" for name in ("accuracy_before", "accuracy_after")]
        rows.append([*(str(row[column]) for column in by), str(row["problems"]), *shares, *parts])
    lines = [format_rows(rows)]
    for row in table.to_dict("records"):
        if row["unknown"]:
            where = ", ".join(f"{column} {row[column]}" for column in by) or "all"
            improvement = f"{100 * row['improvement_least']:+.1f} to {100 * row['improvement_most']:+.1f}"
            selection = " to ".join(
                f"{100 * (row['gain'] - row[name]):+.1f}" for name in ("improvement_most", "improvement_least")
            )
            lines.append(
                f"{where}: {row['unknown']} occurs on one side alone and was not forced on the other, where its skill "
                f"is not known; improvement can be {improvement}, selection {selection}"
            )
    return "\n".join(lines)


def decompose(arguments: argparse.Namespace) -> None:
    """Print the parts of the gain, and write them and a figure if told where. Raises as decompose_tables does."""
    before, after = (read_completions(file) for file in (arguments.before, arguments.after))
    forced = tuple(read_completions(file) for file in arguments.forced) if arguments.forced else None
    table = decompose_tables(before, after, arguments.by, forced)
    print_text(format_parts(table, arguments.by))
    if arguments.output:
        from selectimprove.presentation.gains import draw_parts  # here, since it imports matplotlib

        figure = draw_parts(table, arguments.by)
        write_whole(arguments.output / "decomposition.csv", lambda file: table.to_csv(file, index=False))
        for suffix in ("pdf", "png"):
            write_whole(
                arguments.output / f"decomposition.{suffix}",
                lambda file, suffix=suffix: figure.savefig(file, format=suffix, dpi=200),
            )
