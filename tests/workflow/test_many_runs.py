"""A table of so many runs that its spec is longer than the system lets one argument of a command be."""

from pathlib import Path

import pandas as pd
import yaml
from checkout import copy_workflow, run_snakemake
from synthetic_scores import make_rows, write_metrics

from selectimprove.measurement.scores import COLUMNS, write_scores

RUNS = [f"F_{index}" for index in range(500)]
LONGEST_ARGUMENT = 128 * 1024  # bytes, of Linux


def write_run(run: str, results: Path) -> pd.DataFrame:
    rows = pd.concat([make_rows(run, 0 if run == "F" else 25, kind, 6, [True]) for kind in ("evaluation", "inversion")])
    file = results / f"evaluation/{run}/seed0/steps_6_9.parquet"
    file.parent.mkdir(parents=True)
    write_scores(rows[list(COLUMNS)], file, {})
    return rows


def test_table_of_many_runs_is_computed(tmp_path):
    folder = copy_workflow(tmp_path)
    results = folder / "results/tiny"
    write_metrics(write_run("F", results), results / "sft")
    for run in RUNS:
        write_run(run, results)
    grid = {"index": {run.removeprefix("F_"): {"beta": 0.001 * (1 + place)} for place, run in enumerate(RUNS)}}
    changes = {
        "rl": {"F_{index}": {"grid": grid, "start": "F", "dataset": "rl_6_9"}},
        "tables": {"many": {"module": "rl_ablation", "runs": RUNS, "suites": ["steps_6_9"]}},
    }
    (folder / "changes.yaml").write_text(yaml.safe_dump(changes))
    table = "results/tiny/tables/many.csv"
    process = run_snakemake(folder, table, "--configfile", "changes.yaml")
    assert process.returncode == 0, process.stdout[-2000:]
    assert len(pd.read_csv(folder / table)) == len(RUNS)
    assert (folder / "results/tiny/logs/table/many.log.spec.json").stat().st_size > LONGEST_ARGUMENT
