"""The declared runs with their key settings, and whether their checkpoints were made from these and their inputs.

What a change further up will remake, only a dry run of Snakemake says.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from selectimprove.experiment.experiment import KEY_SETTINGS, Experiment
from selectimprove.experiment.specs import dump_spec
from selectimprove.files import write_string
from selectimprove.provenance.records import RECORD, digest_path
from selectimprove.terminal import print_text


def find_checkpoint(experiment: Experiment, results: Path, run: str, seed: int) -> Path:
    """Return the folder of the run's last checkpoint, which is the last to be made."""
    last_step = experiment.list_checkpoint_steps(run)[-1]
    return Path(results) / experiment.find_checkpoints_folder(run, seed) / f"step{last_step}"


def find_state(experiment: Experiment, results: Path, run: str, seed: int) -> str:
    """Return "done", "missing", or "stale": made from another spec, or from inputs that are no longer these."""
    record_file = find_checkpoint(experiment, results, run, seed) / RECORD
    if not record_file.is_file():
        return "missing"
    record = json.loads(record_file.read_text(encoding="utf-8"))
    if record["spec"] != json.loads(dump_spec(experiment.make_run_spec(run, seed))):
        return "stale"
    for name, digest in record["inputs"].items():
        path = Path(name)
        if not path.exists() or digest != digest_path(path):
            return "stale"
    start = experiment.rl_values[run]["start"] if run in experiment.rl_values else None
    return "done" if start is None or find_state(experiment, results, start, seed) == "done" else "stale"


def list_runs(experiment: Experiment, results: Path) -> pd.DataFrame:
    """Return one row a declared run: its key settings (missing for SFT runs where they have none) and its state.

    With several seeds the state counts them, such as "2 done, 1 missing": those that anything is made from of this run,
    all where nothing is.
    """
    taken = {seed: set(experiment.list_runs_taken(seed)) for seed in experiment.seeds}
    rows: list[dict[str, Any]] = []
    for run, values in {**experiment.sft_values, **experiment.rl_values}.items():
        seeds = [seed for seed in experiment.seeds if run in taken[seed]] or experiment.seeds
        states = [find_state(experiment, results, run, seed) for seed in seeds]
        counts = [f"{states.count(state)} {state}" for state in ("done", "stale", "missing") if state in states]
        state = states[0] if len(states) == 1 else ", ".join(counts)
        rows.append({"run": run, **{name: values.get(name) for name in KEY_SETTINGS}, "state": state})
    return pd.DataFrame(rows, dtype=object)


def format_runs(table: pd.DataFrame) -> str:
    """Return the table as text, a line a run."""
    return table.fillna("").to_string(index=False)


def print_runs(experiment: Experiment, results: Path, log_file: Path) -> None:
    """Print the declared runs, and keep what was printed in `log_file`."""
    text = format_runs(list_runs(experiment, results))
    write_string(log_file, text + "\n")
    print_text(text)
