"""The score table: one row for each sampled completion of a held-out problem. All that is reported comes from it.

Where a table comes from is recorded in the schema metadata of its Parquet file; its pages carry checksums.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet

from selectimprove.experiment.specs import ClaimsSpec, FigureSpec
from selectimprove.files import write_whole
from selectimprove.provenance.records import DAMAGE, RECORD_KEY, digest_inputs, make_record, read_record

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
    "strategy": "'forward', 'backward' or 'none', by opening and steps; 'mixed' where these or parts differ",
    "forced_strategy": "the strategy that it was made to begin with; missing: none",
    "correct": "whether the verifier accepts the completion",
    "answered": "whether the completion has its answer line (a composition: one for each part), right or wrong",
    "first_wrong_step": "0: the opening, k: the k-th written step; missing: all are right",
    "correct_parts": "how many parts from the first on have the right answer",
    "failure": "why that step is wrong, one of strategies.FAILURES",
    "tokens": "length of the completion in tokens",
    "completion": "its text, with rewards.CUT behind it if it was cut before its end-of-sequence token; copies lack it",
}

RUN_COLUMNS = {
    "model": "'F', 'B' or 'FB': the strategies that SFT taught; 'suited': for each kind the one that suits it",
    "stage": "'SFT', or 'RL' and the steps of its problems, such as 'RL 6-9', 'RL 2-5 then 6-9', 'RL 2-15 at 0.1-0.5'",
    "taught_parts": "parts of the problems in SFT, '1-1' for single ones",
    "forward_share": "share of forward completions in SFT",
    "evaluation_share": "share of evaluation problems it was last trained on; missing where they were filtered",
    "pass_rate": "band that its last prompts were filtered to, such as '0.1-0.5'; 'all': not; missing for an SFT run",
    "values": "how many values the task has: chance is one in so many",
    "symbol_map": "of the field: 'fixed', or 'stated' in each prompt; missing for other tasks",
    "text": "text form of its prompts and completions, see texts.py",
    "layer_weights": "weights of the matrices in the layers of its base; missing where the workflow pretrains none",
    "log_forward_share": "share of forward execution in the logs of its base; missing as that is",
    "sft_learning_rate": "learning rate of SFT",
    "learning_rate": "learning rate of RL; missing for an SFT run, as are the next two",
    "beta": "weight of the KL term",
    "completions_per_prompt": "group size",
    "validation_loss": "cross-entropy of the SFT run's held-out completions, a mean over tokens",
    "validation_sequence_loss": "the same, prompts included",
}  # of the run, not of a completion; figures find them beside its scores


def write_scores(scores: pd.DataFrame, file: Path, record: dict[str, Any]) -> None:
    """Write a score table as Parquet, whole or not at all, with its record (see provenance.make_record).

    The same rows and record make the same bytes.
    """
    table = pyarrow.Table.from_pandas(scores, preserve_index=False)
    metadata = {**table.schema.metadata, RECORD_KEY: json.dumps(record, sort_keys=True)}
    table = table.replace_schema_metadata(metadata)
    write_whole(file, lambda path: pyarrow.parquet.write_table(table, path, write_page_checksum=True))


def copy_without_texts(source: Path, file: Path) -> None:
    """Copy a score table with its record, but without the completions' texts; raises as read_scores does."""
    write_scores(read_scores([source]).assign(completion=None), file, read_record(source))


def join_scores(tables: list[Path], file: Path) -> None:
    """Write one score table with the rows of all these; raises as read_scores does."""
    write_scores(read_scores(tables), file, make_record(None, digest_inputs(*tables)))


def read_scores(files: list[Path], with_completions: bool = True) -> pd.DataFrame:
    """Return the rows of all these score tables, in the order given.

    with_completions: whether to read the texts, which take most of the time and memory.

    Raises FileNotFoundError or ValueError, each naming the file, on a table that is missing, unreadable or incomplete.
    """
    columns = [column for column in COLUMNS if with_completions or column != "completion"]
    return pd.concat([_read_table(Path(file), columns) for file in files], ignore_index=True)


def _read_table(file: Path, columns: list[str]) -> pd.DataFrame:
    if not file.is_file():
        raise FileNotFoundError(f"{file}: there is no such score table")
    try:
        present = pyarrow.parquet.read_schema(file).names
        missing = [column for column in COLUMNS if column not in present]
        if not missing:
            table = pyarrow.parquet.read_table(file, columns=columns, page_checksum_verification=True).to_pandas()
            return table[columns]  # a column that was renamed in the footer, which has no checksum, is left out above
    except DAMAGE as error:
        raise ValueError(f"{file}: this score table is damaged; remove it and run again") from error
    raise ValueError(f"{file}: this score table has no column {missing[0]!r}")


def read_declared_scores(spec: FigureSpec | ClaimsSpec, score_files: list[Path]) -> pd.DataFrame:
    """Return the scores, without the completions' texts.

    Raises ValueError unless each run has scores for each of its suites and for each seed.
    """
    scores = read_scores(score_files, with_completions=False)
    present = set(scores[["run", "suite", "seed"]].itertuples(index=False, name=None))
    for (run, suite), seed in itertools.product(spec.evaluations, spec.seeds):
        if (run, suite, seed) not in present:
            raise ValueError(f"{spec.name}: there are no scores for run {run}, suite {suite}, seed {seed}")
    return scores
