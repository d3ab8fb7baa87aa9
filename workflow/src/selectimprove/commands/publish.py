"""A copy of what a run shows, small enough for version control: figures, tables, claims, report and step metrics.

Score tables and checkpoints stay where they are; the sidecars that are copied name them, with their digests. What was
published there before is replaced, but for README.md, which a person writes. How long each job took is in one table,
which `estimate` reads.
"""

import shutil
from pathlib import Path

import pandas as pd

from selectimprove.commands.progress import read_timings
from selectimprove.files import put_in_place

README = "README.md"
SHOWN = ("figures/*", "tables/*", "claims.*", "report.html")
METRICS = "*/*/seed*/metrics.csv"  # of each stage that trains
JOBS = "jobs.csv"
JOB_COLUMNS = ["job", "topic", "units", "loop_seconds", "seconds"]


def publish(results: Path, target: Path) -> list[Path]:
    """Copy what `results` shows to `target`, whole or not at all; return the files that lie there then.

    Metrics are named <stage>_<run>_seed<k>.csv, in a folder of their own. JOBS has a row a job that was done in one go:
    its topic and units of work (see jobs.describe_work), and the seconds that its loop and that all of it took.

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
    with put_in_place(target) as folder:
        (folder / "metrics").mkdir(parents=True)
        for name, path in files.items():
            shutil.copyfile(path, folder / name)
        rows = [
            (key, timing.topic, timing.units, timing.loop, timing.loop + timing.around)
            for key, timing in read_timings(results).items()
        ]
        pd.DataFrame(rows, columns=JOB_COLUMNS).round(2).to_csv(folder / JOBS, index=False)
    return [target / name for name in [*files, JOBS]]
