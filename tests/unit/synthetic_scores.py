"""Score tables with known accuracies, and fake checkpoint folders, for the tests of what is made from them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from selectimprove.experiment.specs import FigureSpec
from selectimprove.files import write_json
from selectimprove.measurement.scores import COLUMNS, RUN_COLUMNS, write_scores
from selectimprove.provenance.records import RECORD, digest_checkpoint, digest_file, digest_inputs, make_record
from selectimprove.tasks.specs import KINDS

LOSSES = {"validation_loss": 0.1, "validation_sequence_loss": 0.5}
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
        "parts": 1,
        "strategy": "forward",
        "forced_strategy": None,
        "answered": True,
        "first_wrong_step": None,
        "correct_parts": 0,
        "failure": None,
        "tokens": 20,
        "completion": "",
    }
    return table.assign(**values, **describe_run(run, values["training"]))


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
    """Make a fake folder for each checkpoint under `root`, and return the scores with its path and digest.

    Each has its record: RL runs start from the SFT runs, these from root/base, and all were trained on root/data.
    """
    scores = scores.copy()
    data = write_data(root / "data")[:2]
    base = write_checkpoint(root / "base", {"pretrain": 0}, [])
    for (run, step), rows in scores.groupby(["run", "checkpoint_step"]):
        sft_run = rows["sft_run"].iloc[0]
        for name in dict.fromkeys((sft_run, run)):
            start = base if name == sft_run else root / sft_run / "0"
            folder = root / name / str(0 if name == sft_run else step)
            if not folder.exists():
                write_checkpoint(folder, {"run": name}, [start, *data])
        scores.loc[rows.index, "checkpoint"] = str(folder)
        scores.loc[rows.index, "checkpoint_digest"] = digest_checkpoint(folder)
    return scores


def write_checkpoint(folder: Path, spec: dict[str, Any], inputs: list[Path]) -> Path:
    """Write a fake checkpoint with its record and return its folder."""
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(f"weights of {folder}")
    record = {**make_record(spec, digest_inputs(*inputs)), "digest": digest_checkpoint(folder)}
    write_json(folder / RECORD, record)
    return folder


def write_data(folder: Path) -> list[Path]:
    """Write a fake data set with its record and return its files: those of training first."""
    folder.mkdir(parents=True)
    files = [folder / name for name in ("train.jsonl", "task.json", "test.jsonl")]
    for file in files:
        file.write_text("{}")
    digests = {file.name: digest_file(file) for file in files}
    write_json(folder / RECORD, {**make_record({"dataset": folder.name}, {}), "files": digests})
    return files


def write_run_scores(scores: pd.DataFrame, folder: Path) -> list[Path]:
    """Write one score file a run, with a record of its checkpoints, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for run, rows in scores.groupby("run", sort=False):
        files.append(folder / f"{run}.parquet")
        inputs = dict(rows[["checkpoint", "checkpoint_digest"]].itertuples(index=False, name=None))
        write_scores(rows[list(COLUMNS)], files[-1], make_record({"evaluated": run}, inputs))
    return files


def describe_run(run: str, training: str) -> dict:
    """Return the columns of RUN_COLUMNS for a run named as in the configuration."""
    model = run.partition("_")[0]
    stages = [data.removeprefix("rl_").replace("_", "-") for data in training.split("+")]
    trained = training != "sft"
    settings = {
        "model": model,
        "stage": f"RL {' then '.join(stages)}" if trained else "SFT",
        "taught_parts": "1-1",
        "forward_share": {"F": 1.0, "B": 0.0}.get(model, 0.5),
        "evaluation_share": 0.5,
        "pass_rate": "all" if trained else None,
        "values": 11,
        "symbol_map": "fixed",
        "text": "symbolic",
        "layer_weights": 786_432,
        "log_forward_share": 0.915,
        "sft_learning_rate": 5e-4,
        "learning_rate": 1.5e-4 if trained else None,
        "beta": 0.05 if trained else None,
        "completions_per_prompt": 8 if trained else None,
        **LOSSES,
    }
    assert list(settings) == list(RUN_COLUMNS)
    return settings


def write_metrics(scores: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the SFT runs' metrics below <run>/seed<k>/ and return the files."""
    files = []
    for run, seed in scores[["sft_run", "seed"]].drop_duplicates().itertuples(index=False):
        files.append(folder / run / f"seed{seed}" / "metrics.csv")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        columns = {name: [None, value] for name, value in LOSSES.items()}
        pd.DataFrame({"step": [1, 2], **columns}).to_csv(files[-1], index=False)
    return files


def make_spec(name: str, scores: pd.DataFrame) -> FigureSpec:
    """Return the spec of a figure or table of that module, of the runs, suites and seeds of the scores."""
    evaluations = scores[["run", "suite"]].drop_duplicates()
    settings = [name for name in RUN_COLUMNS if name not in LOSSES]
    return FigureSpec(
        name=name,
        module=name,
        evaluations=tuple(evaluations.itertuples(index=False, name=None)),
        seeds=tuple(int(seed) for seed in scores["seed"].unique()),
        run_settings=scores.drop_duplicates("run").set_index("run")[settings].to_dict("index"),
        config_digest="c0ffee",
    )
