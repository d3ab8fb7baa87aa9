"""Score tables with known accuracies, and fake checkpoint folders, for the tests of what is made from them."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from selectimprove.provenance import digest_checkpoint
from selectimprove.scores import COLUMNS, write_scores
from selectimprove.specs import KINDS, FigureSpec

SFT_RUNS = ("F", "B", "FB")
RL_RUNS = tuple(f"{sft_run}_rl_6_9" for sft_run in SFT_RUNS)


def make_rows(
    run: str,
    step: int,
    kind: str,
    length: int,
    correct: Iterable[bool],
    seed: int = 0,
    training: str | None = None,
    checkpoint: str = "",
    digest: str = "",
) -> pd.DataFrame:
    """Return one checkpoint's rows for problems of a kind and length; correct: one value a problem."""
    sft_run, _, data = run.partition("_")
    table = pd.DataFrame({"correct": list(correct)})
    values = {
        "run": run,
        "sft_run": sft_run,
        "training": training or data or "sft",
        "seed": seed,
        "checkpoint_step": step,
        "checkpoint": checkpoint or f"checkpoints/{run}/{step}",
        "checkpoint_digest": digest,
        "suite": "steps_6_9",
        "problem_id": [f"rl_6_9/test/{seed}/{kind}/{length}/{index}" for index in table.index],
        "sample": 0,
        "kind": kind,
        "steps": length,
        "strategy": "forward",
        "forced_strategy": None,
        "first_wrong_step": None,
        "failure": None,
        "tokens": 20,
        "completion": "",
    }
    return table.assign(**values)[list(COLUMNS)]


def make_scores(
    share_correct: Callable[[str, int, str, int], float],
    runs: Iterable[str] = (*SFT_RUNS, *RL_RUNS),
    checkpoint_steps: Iterable[int] = (25, 50),
    lengths: Iterable[int] = (6, 7, 8, 9),
    problems: int = 20,
    seeds: Iterable[int] = (0,),
) -> pd.DataFrame:
    """Return the scores of runs named as in the configuration; SFT runs (no "_" in the name) have step 0 only.

    share_correct(run, step, kind, length): the share of the `problems` of that kind and length that are correct,
    a multiple of 1 / problems.
    """
    parts = []
    for seed in seeds:
        for run in runs:
            for step in checkpoint_steps if "_" in run else (0,):
                for kind in KINDS:
                    for length in lengths:
                        right = round(share_correct(run, step, kind, length) * problems)
                        correct = [index < right for index in range(problems)]
                        parts.append(make_rows(run, step, kind, length, correct, seed))
    return pd.concat(parts, ignore_index=True)


def add_checkpoints(scores: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Make a fake folder for each checkpoint under `root`, and return the scores with its path and digest."""
    scores = scores.copy()
    for (run, step), rows in scores.groupby(["run", "checkpoint_step"]):
        folder = root / run / str(step)
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_text(f"weights of {run} at {step}")
        (folder / "provenance.json").write_text("{}")
        scores.loc[rows.index, "checkpoint"] = str(folder)
        scores.loc[rows.index, "checkpoint_digest"] = digest_checkpoint(folder)
    return scores


def write_run_scores(scores: pd.DataFrame, folder: Path) -> list[Path]:
    """Write one score file a run and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for run, rows in scores.groupby("run", sort=False):
        files.append(folder / f"{run}.parquet")
        write_scores(rows, files[-1])
    return files


def make_spec(name: str, scores: pd.DataFrame) -> FigureSpec:
    """Return the spec of a figure or table that declares the RL runs, suites and seeds of the scores."""
    runs = scores.loc[scores["checkpoint_step"] > 0, "run"]
    return FigureSpec(
        name=name,
        runs=tuple(runs.unique()),
        suites=tuple(scores["suite"].unique()),
        seeds=tuple(int(seed) for seed in scores["seed"].unique()),
        config_digest="c0ffee",
    )
