"""Printing for a person, who may stop reading."""

import os
import sys


def allow_any_text() -> None:
    """Let stdout show as escapes what its encoding lacks, as stderr does: Python would fail on it."""
    sys.stdout.reconfigure(errors="backslashreplace")


def print_text(text: str) -> None:
    """Print the text to stdout, or as much of it as its reader takes, such as `head`."""
    allow_any_text()
    try:
        print(text, flush=True)
    except BrokenPipeError:
        stop_printing()


def stop_printing() -> None:
    """Let what is printed from now on go nowhere, since the reader of stdout is gone: Python would fail as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
