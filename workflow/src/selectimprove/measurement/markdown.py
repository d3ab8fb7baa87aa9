"""Tables in Markdown, written and read: what a cell says comes back as it was, whatever words a person put in it."""

import re


def format_rows(rows: list[list[str]]) -> str:
    """Return rows of cells, the header and its rule first, as a Markdown table.

    Backslashes and bars are escaped, and white space is one space, since a cell is part of one line.
    """
    return "".join(f"| {' | '.join(map(_format_cell, row))} |\n" for row in rows)


def split_rows(text: str) -> list[list[str]]:
    """Return the rows of a Markdown table that format_rows wrote."""
    return [
        [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in re.findall(r"((?:\\.|[^|\\])*)\|", line.strip()[1:])]
        for line in text.splitlines()
    ]


def _format_cell(text: str) -> str:
    return re.sub(r"([\\|])", r"\\\1", " ".join(text.split()))
