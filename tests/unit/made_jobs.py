"""Folders of results as jobs leave them, without the work, for the tests of what is seen of them."""

import itertools
import os
import time
from pathlib import Path

from selectimprove.commands.progress import STAMP
from selectimprove.experiment.jobs import Job
from selectimprove.files import write_string
from selectimprove.provenance.records import RECORD

COMMAND = "+ python script.py\n"
counter = itertools.count()


def write_old(file: Path, text: str, age: float) -> None:
    """Write a file that is `age` seconds old."""
    write_string(file, text)
    os.utime(file, (time.time() - age,) * 2)


def write_log(job: Job, results: Path, lines: str = "", spec: str | None = None, age: float = 0.0) -> None:
    """Write the log of a job, and what it is told, as its shell does."""
    if job.spec is not None:
        write_string(results / job.spec_file, f"{spec or job.spec}\n")
    write_old(results / job.log, COMMAND + lines, age)


def make_job(job: Job, results: Path, loop: float = 0.0, seconds: float = 10.0) -> None:
    """Write what a job leaves, a millisecond after what was made before; loop: seconds of its loop, 0 without one."""
    age = 1000 - 0.001 * next(counter)
    lines = f"12:00:00 loop took {loop:.3f} s on 1 threads\n" if loop else ""
    write_log(job, results, lines, age=age)
    write_old(results / job.benchmark, f"s\tmax_rss\n{seconds}\t1\n", age)
    folders = {output for output in job.outputs if not Path(output).suffix}
    within = [f"{checkpoint}/{RECORD}" for checkpoint in job.checkpoints]
    for name in [*within, *(f"{folder}/{STAMP}" for folder in folders), *(set(job.outputs) - folders)]:
        write_old(results / name, "", age)
