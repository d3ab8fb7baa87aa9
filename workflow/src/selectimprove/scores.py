"""The score table: one row for each sampled completion of a held-out problem. All that is reported comes from it."""

from pathlib import Path

import pandas as pd

from selectimprove.provenance import write_whole

COLUMNS = {
    "run": "the run that was evaluated, an SFT or an RL run",
    "sft_run": "the SFT run at its root (F, B, FB)",
    "training": "'sft', or the RL data sets met since, joined by '+'",
    "seed": "seed of the data and the models",
    "checkpoint_step": "RL steps (updates) of the checkpoint; 0: the SFT model",
    "checkpoint": "its folder, relative to where the workflow runs",
    "checkpoint_digest": "its SHA-256, see provenance.digest_checkpoint",
    "suite": "the evaluation suite",
    "problem_id": "the problem within its seed",
    "sample": "which of the problem's completions this is, from 0",
    "kind": "'evaluation', 'inversion' or 'composition'",
    "steps": "number of steps of the problem",
    "parts": "number of its parts, 1 but for a composition",
    "strategy": "'forward', 'backward' or 'none', as read from the completion; 'mixed' where parts differ",
    "forced_strategy": "the strategy that its opening was fixed to; missing: none",
    "correct": "whether the verifier accepts the completion",
    "first_wrong_step": "0: the opening, k: the k-th written step; missing: all are right",
    "correct_parts": "how many parts from the first on have the right answer",
    "failure": "why that step is wrong, one of strategies.FAILURES",
    "tokens": "length of the completion in tokens",
    "completion": "its text",
}

RUN_COLUMNS = {
    "model": "'F', 'B' or 'FB': the strategies that SFT taught; 'suited': for each kind the one that suits it",
    "trained_steps": "steps of the problems in RL, such as '6-9' or '2-5 then 6-9'; of those in SFT for an SFT run",
    "taught_parts": "parts of the problems in SFT, '1-1' for single ones",
    "forward_share": "share of forward completions in SFT",
    "evaluation_share": "share of evaluation problems it was last trained on",
    "field_order": "order of the field",
    "symbol_map": "'fixed', or 'per_problem' and stated",
    "sft_learning_rate": "learning rate of SFT",
    "learning_rate": "learning rate of RL; missing for an SFT run, as are the next two",
    "beta": "weight of the KL term",
    "completions_per_prompt": "group size",
    "validation_loss": "cross-entropy of the SFT run's held-out completions, a mean over tokens",
    "validation_sequence_loss": "the same, prompts included",
}  # of the run, not of a completion; figures find them beside its scores


def write_scores(scores: pd.DataFrame, file: Path) -> None:
    """Write a score table as Parquet, whole or not at all."""
    write_whole(file, lambda path: scores.to_parquet(path, index=False))


def read_scores(files: list[Path]) -> pd.DataFrame:
    """Return the rows of all these score tables, in the order given.

    Raises FileNotFoundError or ValueError, each naming the file, on a table that is missing, unreadable or incomplete.
    """
    return pd.concat([_read_table(Path(file)) for file in files], ignore_index=True)


def _read_table(file: Path) -> pd.DataFrame:
    if not file.is_file():
        raise FileNotFoundError(f"{file}: there is no such score table")
    try:
        table = pd.read_parquet(file)
    except (OSError, ValueError) as error:  # pyarrow raises either on a file that is not whole Parquet
        raise ValueError(f"{file}: this score table cannot be read as Parquet") from error
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise ValueError(f"{file}: this score table has no column {missing[0]!r}")
    return table
