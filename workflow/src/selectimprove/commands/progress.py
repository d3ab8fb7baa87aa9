"""How far the jobs of an experiment are, by what lies in its folder of results, and how long the others will take.

Whatever runs the jobs, here or on a cluster, a job writes its log, its outputs and its benchmark there. The log of one
that trains or evaluates is touched every ten seconds (see trainers.touch_log): by its age, a job is known that was
ended together with its shell, and whose log has no end; sooner where Snakemake holds no lock, as it does while it runs.
"""

import csv
import heapq
import json
import math
import re
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from selectimprove.commands.failures import STATUS, describe_failure, read_log
from selectimprove.experiment.jobs import Job, describe_work
from selectimprove.experiment.specs import EvaluationSpec, PassRateSpec, PretrainSpec, RLSpec, SFTSpec, read_spec
from selectimprove.provenance.marks import is_copy
from selectimprove.provenance.records import RECORD
from selectimprove.tasks.specs import DataSpec

STAMP = ".snakemake_timestamp"  # in a folder that a job made: the time at which it was done
SILENT_AFTER = 180.0  # seconds; libraries may take long to load, and a network file system tells a touch a minute late
SILENT_UNLOCKED = 60.0  # where no Snakemake runs: a job that somebody called by hand is touched every ten seconds, too
LOCKS = Path(".snakemake/locks")  # below the folder that Snakemake runs in, as results/ is
STEP = re.compile(
    r"^\d\d:\d\d:\d\d step (?P<step>\d+)/(?P<steps>\d+)  (?P<values>.*?)  (?P<rate>[\d.]+) s/step", re.MULTILINE
)
RESUMED = re.compile(r"^\d\d:\d\d:\d\d going on from \S*checkpoint-(\d+)$", re.MULTILINE)
EVALUATED = re.compile(r"^\d\d:\d\d:\d\d \S+ step \d+ on \S+: ", re.MULTILINE)
LOOP = re.compile(r"^\d\d:\d\d:\d\d loop took ([\d.]+) s ", re.MULTILINE)
SPECS = {
    "pretrain": PretrainSpec,
    "sft": SFTSpec,
    "rl": RLSpec,
    "pass_rates": PassRateSpec,
    "evaluate": EvaluationSpec,
}
ALIKE = {"pass_rates": "evaluate", "filtered_dataset": "dataset"}  # by whose jobs these are timed, if by no own


@dataclass(frozen=True)
class Timing:
    """What is known of the speed of a job's kind: units of work, seconds of its loop, and of all that is around it.

    around: None while it runs. rule, topic, units: as of a Job.
    """

    rule: str
    topic: str
    units: float
    loop: float
    around: float | None


@dataclass(frozen=True)
class Sight:
    """What is seen of a job. state: "done", "running", "failed", "stopped" or "waiting"; reason: why it failed.

    timed: whether its benchmark and log are of these settings, and of a job that came to its end.

    Of one that runs, or was stopped: steps done, of how many (checkpoints, of an evaluation), None where its log does
    not say; its last values, such as {"reward": "0.5"}; seconds a step by its own log; seconds since it was started.
    ended: when the log of one that failed or was stopped was last touched, in seconds of time.time().
    """

    state: str
    timed: bool = False
    step: int | None = None
    steps: int | None = None
    values: dict[str, str] | None = None
    seconds_per_step: float | None = None
    elapsed: float = 0.0
    ended: float | None = None
    reason: str = ""


WAITING, DONE = Sight("waiting"), Sight("done", timed=True)


def find_time(path: Path) -> float:
    """Return when a file was written, or when the job was done that made a folder. Raises OSError if there is none."""
    stamp = path / STAMP
    return (stamp if stamp.is_file() else path).stat().st_mtime


def read_spec_text(job: Job, results: Path) -> str | None:
    """Return what the last job of this key was told; None if it was told nothing, or nothing is left of it."""
    file = results / job.spec_file
    return file.read_text(encoding="utf-8").rstrip("\n") if job.spec is not None and file.is_file() else None


def find_times(job: Job, results: Path) -> list[float] | None:
    """Return the times of a job's outputs; None if one is missing, or they were made from other settings."""
    if read_spec_text(job, results) not in (job.spec, None):
        return None
    if not all((results / checkpoint / RECORD).is_file() for checkpoint in job.checkpoints):
        return None
    try:
        return [find_time(results / output) for output in job.outputs]
    except OSError:
        return None


class Observer:
    """Looks at the jobs of an experiment, in the order of list_jobs, in its folder of results."""

    def __init__(self, jobs: list[Job], results: Path):
        self.jobs = jobs
        self.results = Path(results)

    def look(self) -> dict[str, Sight]:
        """Return what is seen of each job by its key.

        A job is done if its outputs are there, made from these settings and from what is done, and no older than that;
        the times in a copy of results say nothing. What an edit of code makes again, Snakemake alone knows.
        """
        timed = not is_copy(self.results)
        made: dict[str, list[float]] = {}
        sights = {}
        for job in self.jobs:
            times = find_times(job, self.results)
            above = [made.get(key) for key in job.takes]
            if times is None or None in above or (timed and min(times) < max(map(max, above), default=0)):
                sights[job.key] = self.read_job(job)
            else:
                made[job.key], sights[job.key] = times, DONE
        return sights

    def read_job(self, job: Job) -> Sight:
        """Return what is seen of a job whose outputs are not what they should be."""
        log, benchmark = self.results / job.log, self.results / job.benchmark
        try:
            touched = log.stat().st_mtime
            started = (self.results / job.spec_file if job.spec else log).stat().st_mtime
        except OSError:
            return WAITING
        if read_spec_text(job, self.results) != job.spec:
            return WAITING  # what the log tells is of other settings
        if benchmark.is_file() and benchmark.stat().st_mtime >= touched:
            return Sight("waiting", timed=True)  # it was done then, and is to be made again
        text = read_log(log)
        seen = {**read_steps(job, text), "elapsed": time.time() - started}
        if STATUS.search(text):
            return Sight("failed", **seen, ended=touched, reason=describe_failure(text))
        if time.time() - touched < (SILENT_AFTER if self.is_locked() else SILENT_UNLOCKED):
            return Sight("running", **seen)
        return Sight("stopped", **seen, ended=touched)

    def is_locked(self) -> bool:
        """Return whether a Snakemake holds its lock in the folder where the results lie, or held it when it died."""
        folder = self.results.parents[1] / LOCKS
        return folder.is_dir() and any(folder.iterdir())


def read_steps(job: Job, text: str) -> dict[str, Any]:
    """Return step, steps, values and seconds_per_step of a Sight, as far as a log says them."""
    if job.rule == "evaluate":
        return {"step": len(EVALUATED.findall(text)), "steps": len(json.loads(job.spec)["checkpoint_steps"])}
    found: dict[str, Any] = {}
    steps = list(STEP.finditer(text))
    if steps:
        last = steps[-1]
        words = last["values"].split()
        found = {
            "step": int(last["step"]),
            "steps": int(last["steps"]),
            "values": dict(zip(words[::2], words[1::2], strict=True)),
            "seconds_per_step": float(last["rate"]),
        }
    resumed = list(RESUMED.finditer(text))
    if resumed and not (steps and steps[-1].start() > resumed[-1].start()):
        found["step"] = int(resumed[-1][1])
    return found


def read_timing(results: Path, key: str, topic: str, units: float) -> Timing | None:
    """Return the timing of a job that is done, from its benchmark and log.

    None if they are not there, or if the job went on where an earlier one was stopped: they tell of a part of its work.
    """
    benchmark = results / f"benchmarks/{key}.tsv"
    log = read_log(results / f"logs/{key}.log")
    if not benchmark.is_file() or not log or RESUMED.search(log):
        return None
    rows = list(csv.DictReader(benchmark.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    if not rows:
        return None  # it is being written
    loop = sum(map(float, LOOP.findall(log)))
    return Timing(key.partition("/")[0], topic, units, loop, float(rows[0]["s"]) - loop)


def read_timings(results: Path) -> dict[str, Timing]:
    """Return the timing of every job that was done in one go, by key, whatever is declared now."""
    logs = results / "logs"
    datasets = [read_spec(DataSpec, file).dataset for file in sorted(logs.glob("dataset/*.spec.json"))]
    sizes = {dataset.name: dataset for dataset in datasets}
    timings = {}
    for benchmark in sorted(results.glob("benchmarks/**/*.tsv")):
        key = benchmark.relative_to(results / "benchmarks").with_suffix("").as_posix()
        kind = SPECS.get(key.partition("/")[0])
        spec = kind and read_spec(kind, logs / f"{key}.log.spec.json")
        if timing := read_timing(results, key, *describe_work(key, spec, sizes)):
            timings[key] = timing
    return timings


@dataclass(frozen=True)
class Speed:
    """What a job takes: seconds of its loop for each unit of work, and seconds around it."""

    loop: float
    around: float


class Rates:
    """How long jobs take, from timings of the same rule, and of the same topic where there are any."""

    def __init__(self, timings: Iterable[Timing]):
        rules, topics = defaultdict(list), defaultdict(list)
        for timing in timings:
            rules[timing.rule].append(timing)
            topics[timing.rule, timing.topic].append(timing)
        self.rules = {rule: measure_speed(found, 0.0) for rule, found in rules.items()}
        self.topics = {key: measure_speed(found, self.rules[key[0]].around) for key, found in topics.items()}

    def find(self, job: Job) -> Speed | None:
        """Return the speed of jobs like this one, None where nothing is known of its rule."""
        return self.topics.get((job.rule, job.topic)) or self.rules.get(job.rule) or self.rules.get(ALIKE.get(job.rule))

    def estimate(self, job: Job, factor: float = 1.0) -> float | None:
        """Return the seconds that a job takes, None where nothing is known of its rule; factor: of its loop."""
        speed = self.find(job)
        return None if speed is None else factor * speed.loop * job.units + speed.around


def measure_speed(timings: list[Timing], around: float) -> Speed:
    """Return the mean speed of jobs; around: what counts around the loop where none of them is done."""
    known = [timing.around for timing in timings if timing.around is not None]
    loop = sum(timing.loop for timing in timings) / sum(timing.units for timing in timings)
    return Speed(loop, sum(known) / len(known) if known else around)


def find_rates(jobs: list[Job], sights: dict[str, Sight], results: Path) -> Rates:
    """Return the rates of the jobs that were done here, and of those that run where their logs tell any."""
    timings = []
    for job in jobs:
        sight = sights[job.key]
        if sight.timed:
            timings.append(read_timing(results, job.key, job.topic, job.units))
        elif sight.state == "running" and sight.seconds_per_step is not None:
            timings.append(Timing(job.rule, job.topic, job.units, sight.seconds_per_step * sight.steps, None))
    return Rates(timing for timing in timings if timing)


def find_left(job: Job, sight: Sight, rates: Rates) -> float | None:
    """Return the seconds until a job is done from now, or from its start where it does not run; None: not known."""
    if sight.state == "running" and sight.seconds_per_step is not None:
        return sight.seconds_per_step * (sight.steps - sight.step)
    whole = rates.estimate(job)
    if sight.state != "running":
        return whole
    if whole is not None:
        return max(0.0, whole - sight.elapsed)
    return sight.elapsed * (sight.steps - sight.step) / sight.step if sight.step and sight.steps else None


def schedule(jobs: list[Job], left: dict[str, float], cores: int) -> float:
    """Return the seconds until all jobs in `left` are done, each begun when what it takes is done and cores are free.

    left: seconds of each job that is not done, by key; jobs: those that run first, in this order where several wait.
    """
    order = {job.key: (place, min(job.threads, cores)) for place, job in enumerate(jobs)}
    takes = {job.key: [key for key in job.takes if key in left] for job in jobs if job.key in left}
    sorter = TopologicalSorter(takes)
    sorter.prepare()
    now, free = 0.0, cores
    ready: list[tuple[int, str]] = []
    running: list[tuple[float, str, int]] = []
    while sorter.is_active():
        for key in sorter.get_ready():
            heapq.heappush(ready, (order[key][0], key))
        while ready and free >= order[ready[0][1]][1]:
            _, key = heapq.heappop(ready)
            threads = order[key][1]
            free -= threads
            heapq.heappush(running, (now + left[key], key, threads))
        now, key, threads = heapq.heappop(running)
        free += threads
        sorter.done(key)
    return now


def format_seconds(seconds: float) -> str:
    """Return seconds as "2 h 05 min" or "25 min", or below ten minutes as "9:43"."""
    if seconds < 600:
        return "{}:{:02d}".format(*divmod(math.floor(seconds), 60))
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
