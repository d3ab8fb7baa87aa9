"""Printing for a person, who may stop reading."""

import os
import sys


def print_text(text: str) -> None:
    """Print the text to stdout, or as much of it as its reader takes, such as `head`."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        stop_printing()


def stop_printing() -> None:
    """Let what is printed from now on go nowhere, since the reader of stdout is gone: Python would fail as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
