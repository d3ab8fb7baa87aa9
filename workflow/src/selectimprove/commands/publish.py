"""A copy of what a run shows, small enough for version control, and the way back from it to results.

Published are figures, tables, claims, report, step metrics and score tables without the completions' texts. Checkpoints
stay where they are; the sidecars and score tables that are copied name them, with their digests. What was published
there before is replaced, but for README.md, which a person writes. How long each job took is in one table, which
`estimate` reads.

`restore` puts score tables and step metrics where the workflow reads them, so that figures, tables and claims of seeds
that were run on several machines are drawn together, or drawn otherwise, without a checkpoint.
"""

import re
import shutil
from functools import partial
from pathlib import Path

import pandas as pd

from selectimprove.commands.progress import read_timings
from selectimprove.files import put_in_place, write_whole
from selectimprove.measurement.scores import copy_without_texts

README = "README.md"
SHOWN = ("figures/*", "tables/*", "claims.*", "report.html")
METRICS = "*/*/seed*/metrics.csv"  # of each stage that trains
METRICS_NAME = re.compile(r"([a-z]+)_(\w+)_(seed\d+)")  # stage, run and seed, of the published ones
SCORES = "evaluation/*/seed*/*.parquet"
JOBS = "jobs.csv"
JOB_COLUMNS = ["job", "topic", "units", "loop_seconds", "seconds"]


def publish(results: Path, target: Path) -> list[Path]:
    """Copy what `results` shows to `target`, whole or not at all; return the files that lie there then.

    Metrics are named <stage>_<run>_seed<k>.csv, in a folder of their own; score tables lie as in `results`. JOBS has a
    row a job that was done in one go: its topic and units of work (see jobs.describe_work), and the seconds that its
    loop and that all of it took.

    Raises ValueError if the results are not a finished run's, or if two files would have one name.
    """
    if not (results / "report.html").is_file():
        raise ValueError(f"{results}: there is no report.html; must be the results folder of a run that ended")
    files = {path.name: path for pattern in SHOWN for path in sorted(results.glob(pattern))}
    if len(files) < sum(len(list(results.glob(pattern))) for pattern in SHOWN):
        raise ValueError(f"{results}: a figure and a table have one name, and cannot be published in one folder")
    for path in sorted(results.glob(METRICS)):
        files["metrics/{}_{}_{}.csv".format(*path.relative_to(results).parts)] = path
    if (target / README).is_file():
        files[README] = target / README
    scores = {str(path.relative_to(results)): path for path in sorted(results.glob(SCORES))}
    with put_in_place(target) as folder:
        (folder / "metrics").mkdir(parents=True)
        for name, path in files.items():
            shutil.copyfile(path, folder / name)
        for name, path in scores.items():
            copy_without_texts(path, folder / name)
        rows = [
            (key, timing.topic, timing.units, timing.loop, timing.loop + timing.around)
            for key, timing in read_timings(results).items()
        ]
        pd.DataFrame(rows, columns=JOB_COLUMNS).round(2).to_csv(folder / JOBS, index=False)
    return [target / name for name in [*files, *scores, JOBS]]


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
