"""A copy of what a run shows, small enough for version control, and the way back from it to results.

    python -m selectimprove publish results/published/full --configfile workflow/presets/full.yaml

Published are figures, tables, claims, report, step metrics and score tables without the completions' texts: those that
the configuration names, whatever else lies in its folder of results. Checkpoints stay where they are; the sidecars and
score tables that are copied name them, with their digests. What was published there before is replaced, but for
README.md, which a person writes. How long each job took is in one table, which `estimate` reads.

`restore` puts score tables and step metrics where the workflow reads them, so that figures, tables and claims of seeds
that were run on several machines are drawn together, or drawn otherwise, without a checkpoint.
"""

import re
import shutil
from collections import Counter
from functools import partial
from pathlib import Path

import pandas as pd

from selectimprove.commands.progress import read_timings
from selectimprove.experiment.experiment import Experiment
from selectimprove.experiment.jobs import list_jobs
from selectimprove.files import put_in_place, write_whole
from selectimprove.measurement.scores import copy_without_texts

README = "README.md"
DRAWN = ("figure", "table", "claims")  # rules, all of whose files are shown
METRICS_NAME = re.compile(r"([a-z]+)_(\w+)_(seed\d+)")  # stage, run and seed, of the published ones
SCORES = "evaluation/*/seed*/*.parquet"
JOBS = "jobs.csv"
JOB_COLUMNS = ["job", "topic", "units", "loop_seconds", "seconds"]


def publish(experiment: Experiment, results: Path, target: Path) -> list[Path]:
    """Copy what an experiment shows in `results` to `target`, whole or not at all; return the files that lie there.

    Metrics are named <stage>_<run>_seed<k>.csv, in a folder of their own; score tables lie as in `results`. JOBS has a
    row a job that was done in one go: its topic and units of work (see jobs.describe_work), and the seconds that its
    loop and that all of it took.

    Raises ValueError if a file is missing, or if two would have one name, such as the claims and a table called so.
    """
    jobs = list_jobs(experiment)
    outputs = [Path(output) for job in jobs for output in job.outputs]
    drawn = [Path(output) for job in jobs if job.rule in DRAWN for output in job.outputs]
    if twice := [name for name, count in Counter(path.name for path in drawn).items() if count > 1]:
        raise ValueError(f"{results}: two files are called {twice[0]}, and cannot be published in one folder")
    files = {path.name: path for path in drawn}
    files["report.html"] = Path("report.html")
    files |= {"metrics/{}_{}_{}.csv".format(*path.parts): path for path in outputs if path.name == "metrics.csv"}
    scores = {str(path): path for path in outputs if path.match(SCORES)}
    for path in (*files.values(), *scores.values()):
        if not (results / path).is_file():
            raise ValueError(f"{results / path}: there is no such file; a run of the same --configfile must have ended")
    with put_in_place(target) as folder:
        (folder / "metrics").mkdir(parents=True)
        for name, path in files.items():
            shutil.copyfile(results / path, folder / name)
        if (target / README).is_file():
            shutil.copyfile(target / README, folder / README)
        for name, path in scores.items():
            copy_without_texts(results / path, folder / name)
        keys = {job.key for job in jobs}
        rows = [
            (key, timing.topic, timing.units, timing.loop, timing.loop + timing.around)
            for key, timing in read_timings(results).items()
            if key in keys
        ]
        pd.DataFrame(rows, columns=JOB_COLUMNS).round(2).to_csv(folder / JOBS, index=False)
    return [path for path in sorted(target.rglob("*")) if path.is_file()]


def restore(published: Path, results: Path) -> list[Path]:
    """Copy published score tables and step metrics to where the workflow reads them; return the new files.

    What is in `results` already stays as it is. Raises ValueError, before a file is copied, if there are no score
    tables or if a file of metrics has another name than `publish` gives.
    """
    sources = {results / path.relative_to(published): path for path in sorted(published.glob(SCORES))}
    if not sources:
        raise ValueError(f"{published}: there are no score tables; must be a folder that `publish` wrote")
    for path in sorted(published.glob("metrics/*")):
        match = METRICS_NAME.fullmatch(path.stem)
        if not match:
            raise ValueError(f"{path}: this is not named <stage>_<run>_seed<k>.csv")
        sources[results.joinpath(*match.groups(), "metrics.csv")] = path
    new = {target: path for target, path in sources.items() if not target.exists()}
    for target, path in new.items():
        write_whole(target, partial(shutil.copyfile, path))
    return list(new)
