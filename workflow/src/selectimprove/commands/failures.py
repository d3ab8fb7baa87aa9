"""Why a job failed, in one sentence, for whoever reads the end of Snakemake's output."""

import re
import shutil
import sys
from pathlib import Path

TRACEBACK = "Traceback (most recent call last):\n"
NO_MEMORY = re.compile("MemoryError|allocate memory|out of memory|Cannot allocate", re.IGNORECASE)
FULL_BELOW = 10e6  # bytes; what a job could not write may be gone by now, or leave a little room that it did not fit in


def describe_failure(log_text: str) -> str:
    """Return the error that a failed job's log ends with, in one line; without one, that the job was killed."""
    _, traceback, rest = log_text.rpartition(TRACEBACK)
    errors = [line for line in rest.splitlines() if line and not line[0].isspace()]
    if not traceback or not errors:
        last = (log_text.splitlines() or ["nothing"])[-1].strip()
        return (
            "killed without an error message, by the system if memory ran out: run fewer jobs at once, such as "
            f"--cores 1, or on a machine with more memory (last logged: {last})"
        )
    if NO_MEMORY.search(errors[0]):
        return f"{errors[0]} (out of memory: run fewer jobs at once, such as --cores 1, or smaller batches)"
    return errors[0]


def print_failures(snakemake_log: Path, results: Path) -> None:
    """Print the log and the failure of each failed job in Snakemake's log, and whether the disk is full."""
    failed = re.findall(r"^ +log: (\S+) \(check log file", Path(snakemake_log).read_text(), re.MULTILINE)
    for file in map(Path, dict.fromkeys(failed)):
        log_text = file.read_text(errors="replace") if file.is_file() else ""
        print(f"{file}: {describe_failure(log_text)}", file=sys.stderr)
    free = shutil.disk_usage(results).free
    if free < FULL_BELOW:
        print(f"{results}: the disk is full, {free / 1e6:.1f} MB are free: make room and run again", file=sys.stderr)
