"""What runs now, what is done of each stage, and how long the rest will take: one screen, from any terminal.

    python -m selectimprove watch --configfile workflow/presets/smoke.yaml

It reads results/<preset> alone, so that it works beside whatever runs the jobs, and leaves them alone: Ctrl-C ends the
watching. It ends by itself when all that the preset makes is there; while nothing runs, it waits for a run. Where
stdout is no terminal, it prints a line when a job begins or ends, and once a minute, while any runs, how far all is.
Times are from the jobs' own rates; where no job of a rule has told its rate yet, it says so.
"""

import argparse
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from selectimprove.commands.progress import (
    Observer,
    Sight,
    find_left,
    find_rates,
    format_seconds,
    schedule,
)
from selectimprove.experiment.config import load_files
from selectimprove.experiment.experiment import Experiment
from selectimprove.experiment.jobs import STAGES, Job, list_jobs

EVERY = 1.0  # seconds between two looks, or ten times as long as a look takes
LINE_EVERY = 60.0  # seconds between two lines about what goes on running
QUIET_AFTER = 20.0  # seconds in which no job runs; a moment passes between one job and the next
BAR = 24  # columns
SHOWN = ("reward", "loss")  # of the values that a training logs, the first that there is


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], metavar="FILE", help="as Snakemake was called with"
    )


@dataclass(frozen=True)
class Look:
    """What is seen at one moment.

    sights: of each job by key; left: seconds of each job that is not done, None where not known; whole: seconds until
    all whose time is known is done, with as many side by side as were seen at most, None where none ran; quiet: whether
    no job has run for a while.
    """

    sights: dict[str, Sight]
    left: dict[str, float | None]
    whole: float | None
    quiet: bool


class Watcher:
    """Looks at an experiment again and again, and remembers how many jobs were seen side by side."""

    def __init__(self, experiment: Experiment, config_files: list[Path]):
        self.experiment = experiment
        self.config_files = config_files
        self.results = Path("results") / experiment.preset
        self.jobs = list_jobs(experiment)
        self.observer = Observer(self.jobs, self.results)
        self.cores = 0
        self.last_ran = float("-inf")

    def look(self) -> Look:
        sights = self.observer.look()
        running = [job for job in self.jobs if sights[job.key].state == "running"]
        if running:
            self.last_ran = time.monotonic()
            self.cores = max(self.cores, sum(job.threads for job in running))
        rates = find_rates(self.jobs, sights, self.results)
        pending = [*running, *(job for job in self.jobs if sights[job.key].state not in ("done", "running"))]
        left = {job.key: find_left(job, sights[job.key], rates) for job in pending}
        known = {key: seconds or 0.0 for key, seconds in left.items()}
        whole = schedule(pending, known, self.cores) if self.cores else None
        return Look(sights, left, whole, time.monotonic() - self.last_ran > QUIET_AFTER)

    def tell_whole(self, look: Look) -> str:
        """Return in words how many jobs are done, and how long the rest will take."""
        done = sum(sight.state == "done" for sight in look.sights.values())
        told = f"{self.experiment.preset}: {done} of {len(self.jobs)} jobs done"
        if not look.left:
            return told
        unknown = dict.fromkeys(job.rule for job in self.jobs if look.left.get(job.key, 0) is None)
        known = [seconds for seconds in look.left.values() if seconds is not None]
        if not known:
            return f"{told}; not known yet how long the rest takes"
        bound = "at least" if unknown else "about"
        if look.whole is None:
            left = f"{bound} {format_seconds(sum(known))} of jobs left"
        else:
            left = f"{bound} {format_seconds(look.whole)} left, with as many jobs at once as so far"
        return f"{told}; {left}" + (f"; not known yet how long: {', '.join(unknown)}" if unknown else "")

    def tell_quiet(self) -> str:
        """Return in words that nothing runs, and how to go on."""
        files = f" --configfile {shlex.join(map(str, self.config_files))}" if self.config_files else ""
        lines = [f"nothing runs; to go on: snakemake --cores all{files}"]
        if self.results.exists():
            lines.append("(after a hard kill: first the same with --unlock, then with --rerun-incomplete)")
        else:
            lines.append(f"(there is no {self.results} in {Path.cwd()}; a run makes it in the folder it is called in)")
        return "\n".join([*lines, "waiting for a run; Ctrl-C ends the watching"])

    def count_stages(self, look: Look) -> dict[str, tuple[int, int]]:
        """Return of each stage how many jobs are done, and how many there are."""
        counts = {}
        for stage in dict.fromkeys(STAGES.values()):
            states = [look.sights[job.key].state for job in self.jobs if job.stage == stage]
            if states:
                counts[stage] = (states.count("done"), len(states))
        return counts


def tell_sight(job: Job, look: Look) -> str:
    """Return in words how far a job is that runs, or was when it ended."""
    sight = look.sights[job.key]
    words = []
    if sight.steps is not None:
        words.append(f"{'checkpoint' if job.rule == 'evaluate' else 'step'} {sight.step}/{sight.steps}")
    elif sight.step is not None:
        words.append(f"from step {sight.step}")
    words += [f"{name} {sight.values[name]}" for name in SHOWN if name in (sight.values or {})][:1]
    if sight.state == "running":
        seconds = look.left[job.key]
        words.append(f"since {format_seconds(sight.elapsed)}" if seconds is None else f"{format_seconds(seconds)} left")
    return ", ".join(words)


def is_today(moment: float) -> bool:
    """Return whether a moment, in seconds of time.time(), is of this day."""
    return time.localtime(moment)[:3] == time.localtime()[:3]


def tell_end(job: Job, look: Look) -> str:
    """Return in words how a job ended that did not get to its end."""
    sight = look.sights[job.key]
    reason = sight.reason if sight.state == "failed" else "its log has no end, and is no longer touched"
    ended = time.strftime("%H:%M:%S" if is_today(sight.ended) else "%Y-%m-%d %H:%M:%S", time.localtime(sight.ended))
    return f"{job.key} {sight.state} at {ended}: {', '.join(filter(None, [tell_sight(job, look), reason]))}"


def draw(watcher: Watcher, look: Look, height: int) -> Group:
    """Return the screen, of at most `height` lines as far as jobs are concerned."""
    stages = Table.grid(padding=(0, 2))
    for stage, (done, count) in watcher.count_stages(look).items():
        stages.add_row(stage, ProgressBar(total=count, completed=done, width=BAR), f"{done} of {count}")
    parts = [Text(watcher.tell_whole(look), style="bold"), Text(), stages, Text()]
    room = max(4, height - stages.row_count - 6)
    by_state = {
        state: [job for job in watcher.jobs if look.sights[job.key].state == state]
        for state in ("running", "failed", "stopped")
    }
    if running := by_state["running"]:
        table = Table.grid(padding=(0, 2))
        for job in running[:room]:
            sight = look.sights[job.key]
            bar = ProgressBar(total=sight.steps or 1, completed=sight.step if sight.steps else 0, width=BAR)
            table.add_row(job.key, bar, tell_sight(job, look))
        parts.append(table)
        room -= len(running[:room])
        if len(running) > len(table.rows):
            parts.append(Text(f"and {len(running) - len(table.rows)} more"))
    elif look.quiet:
        parts.append(Text(watcher.tell_quiet()))
    ended = [*by_state["failed"], *by_state["stopped"]]
    parts += [Text(tell_end(job, look), style="red") for job in ended[: max(1, room)]]
    return Group(*parts)


def list_lines(watcher: Watcher, before: Look | None, look: Look) -> list[str]:
    """Return a line for each job that began or ended since the look before; what is there at first is one line."""
    lines = [] if before else [watcher.tell_whole(look)]
    for job in watcher.jobs:
        sight = look.sights[job.key]
        if sight.state == (before.sights[job.key].state if before else "done"):
            continue
        if sight.state == "running":
            lines.append(f"{job.key} runs")
        elif sight.state in ("failed", "stopped"):
            lines.append(tell_end(job, look))
        elif sight.state == "done":
            done, count = watcher.count_stages(look)[job.stage]
            lines.append(f"{job.key} is done, {done} of {count} of {job.stage}")
    if look.quiet and look.left and not (before and before.quiet):
        lines += watcher.tell_quiet().splitlines()
    return lines


def print_lines(lines: list[str]) -> None:
    """Print lines with the time of day, at once."""
    for line in lines:
        print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def watch_lines(watcher: Watcher) -> None:
    """Print what changes until all is done."""
    before, last_told = None, time.monotonic()
    while True:
        started = time.monotonic()
        look = watcher.look()
        lines = list_lines(watcher, before, look)
        if not look.left:
            print_lines(lines)
            return
        running = [job for job in watcher.jobs if look.sights[job.key].state == "running"]
        if running and started - last_told >= LINE_EVERY:
            going_on = [job for job in running if before and before.sights[job.key].state == "running"]
            lines += [f"{job.key}: {tell_sight(job, look)}" for job in going_on] + [watcher.tell_whole(look)]
            last_told = started
        print_lines(lines)
        before = look
        wait(started)


def watch_screen(watcher: Watcher, console: Console) -> None:
    """Show the screen until all is done."""
    with Live(console=console, auto_refresh=False) as live:
        while True:
            started = time.monotonic()
            look = watcher.look()
            live.update(draw(watcher, look, console.height), refresh=True)
            if not look.left:
                return
            wait(started)


def wait(started: float) -> None:
    """Wait for the next look after one that started then."""
    time.sleep(max(EVERY, 10 * (time.monotonic() - started)))


def watch(config_files: list[Path]) -> None:
    """Show how far a run is until all is done. Raises ConfigError on a mistake in the configuration."""
    watcher = Watcher(load_files(config_files), config_files)
    console = Console(file=sys.stdout, highlight=False)
    if console.is_terminal and not console.is_dumb_terminal:
        watch_screen(watcher, console)
    else:
        watch_lines(watcher)
    print(f"{watcher.results}: all {len(watcher.jobs)} jobs are done")
