"""How long this machine takes for what a preset has not made yet, said before it begins.

    python -m selectimprove estimate --configfile workflow/presets/smoke.yaml

A few updates of the preset's own pretraining are timed, on logs of all its lengths. Held against those of the published
run, that says how much longer a unit of work takes here (see jobs.describe_work) than in its jobs, whose seconds are in
results/published/tiny/jobs.csv; so for each size of the bases, where a preset has several. What is around their loops,
such as the import of libraries, counts as it was there.
The jobs are then laid out on the cores of this machine. The updates are timed alone: other programs, and jobs side by
side whose cores share caches, make it longer.

A preset that pretrains nothing has nothing to time like that: what its work comes to, at the speed of matrix products,
is what `doctor` tells.
"""

import csv
import dataclasses
import logging
import os
import shlex
import sys
import tempfile
import time
from pathlib import Path

import datasets
import torch
import transformers
from snakemake.utils import available_cpu_count
from transformers import PrinterCallback, ProgressCallback, TrainerCallback

from selectimprove.commands.doctor import describe_needs, find_hub
from selectimprove.commands.progress import Observer, Rates, Timing, format_seconds, schedule
from selectimprove.experiment.config import load_files
from selectimprove.experiment.experiment import CHECKOUT
from selectimprove.experiment.jobs import Job, list_jobs
from selectimprove.experiment.specs import PretrainSpec, parse_spec
from selectimprove.training.pretrain import make_trainer

PUBLISHED = CHECKOUT / "results" / "published" / "tiny" / "jobs.csv"
UPDATES = 12  # that are timed at most; each has logs of another length
MEASURED = 3.0  # seconds after which the update at hand is the last


class UpdateTimes(TrainerCallback):
    """Takes the time at the end of each update, and ends training when MEASURED seconds are over."""

    def __init__(self):
        self.times: list[float] = []

    def on_step_end(self, args, state, control, **kwargs):
        self.times.append(time.monotonic())
        control.should_training_stop |= self.times[-1] - self.times[0] > MEASURED


def measure_log(spec: PretrainSpec) -> float:
    """Return the seconds that a log takes in pretraining, here and now: of updates over all lengths, in any order.

    The first update is not counted: it loads what the others find.
    """
    torch.set_num_threads(spec.threads)
    short = dataclasses.replace(spec, updates=1 + UPDATES, curriculum_share=0.0)
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(short, Path(folder))
        trainer.args.save_strategy = "no"
        for told in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(told)
        times = UpdateTimes()
        trainer.add_callback(times)
        trainer.train()
    return (times.times[-1] - times.times[0]) / (len(times.times) - 1) / spec.logs_per_update


def read_published(file: Path = PUBLISHED) -> Rates:
    """Return the rates of the published run."""
    with file.open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    timings = []
    for row in rows:
        units, loop, seconds = (float(row[name]) for name in ("units", "loop_seconds", "seconds"))
        timings.append(Timing(row["job"].partition("/")[0], row["topic"], units, loop, seconds - loop))
    return Rates(timings)


def find_bases(jobs: list[Job]) -> dict[str, PretrainSpec]:
    """Return the spec of the base that each job is a part of the work on, by key: the first that it takes from.

    The first of all for a job that takes from none, such as making of data, which has no loop either.
    """
    found: dict[str, PretrainSpec] = {}
    for job in jobs:
        own = [found[key] for key in job.takes if key in found]
        if job.rule == "pretrain":
            found[job.key] = parse_spec(PretrainSpec, job.spec)
        elif own:
            found[job.key] = own[0]
    first = next(iter(found.values()))
    return {job.key: found.get(job.key, first) for job in jobs}


def describe_estimate(config_files: list[Path]) -> str:
    """Return in words how long this machine takes for what is not done, and what that is from.

    Raises ConfigError on a mistake in the configuration.
    """
    experiment = load_files(config_files)
    jobs, results = list_jobs(experiment), Path("results") / experiment.preset
    sights = Observer(jobs, results).look()
    pending = [job for job in jobs if sights[job.key].state != "done"]
    if not pending:
        return f"{results}: all {len(jobs)} jobs are done"
    told = f"{results}: {len(pending)} of {len(jobs)} jobs are to be done"
    pretraining = [job for job in jobs if job.rule == "pretrain"]
    if not pretraining:
        offline = not (experiment.model.is_on_hub and find_hub().startswith("answers"))
        needs = describe_needs(experiment, results / "benchmarks", offline)
        return "\n  ".join([f"{told}; training and evaluation of the whole preset, one job at a time:", *needs])
    published, bases, measured, factors = read_published(), find_bases(jobs), [], {}
    for job in pretraining:
        base = bases[job.key]
        if base.model.architecture not in factors:
            seconds = measure_log(base)
            measured.append(f"{seconds * base.logs_per_update:.2f}")
            factors[base.model.architecture] = seconds / published.find(job).loop
    cores = available_cpu_count()
    left = {job.key: published.estimate(job, factors[bases[job.key].model.architecture]) for job in pending}
    seconds = schedule(pending, left, cores)
    times = " or ".join(f"{factor:.2f}" for factor in factors.values())
    return (
        f"{told}, in about {format_seconds(seconds)} on {cores} core{'s' * (cores > 1)} of this machine: an update of "
        f"pretraining takes {' or '.join(measured)} s, {times} times as long for each log as in the published run"
    )


def print_estimate(config_files: list[Path]) -> None:
    """Print how long this machine takes, and how to watch it."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    transformers.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    print(describe_estimate(config_files), flush=True)
    python = os.path.relpath(sys.executable) if Path(sys.executable).is_relative_to(Path.cwd()) else sys.executable
    files = ["--configfile", *map(str, config_files)] if config_files else []
    command = shlex.join([python, "-m", "selectimprove", "watch", *files])
    print(f"Watch it from another terminal: {command}", flush=True)
