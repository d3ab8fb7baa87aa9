"""Evaluation: sample completions of held-out problems and judge each, one row a completion.

The table's columns are described in scores.py.
"""

import logging
from pathlib import Path

import pandas as pd
import torch

from selectimprove.data import read_rows
from selectimprove.models import decode_completion, encode_prompt, load_model, load_tokenizer
from selectimprove.provenance import digest_checkpoint
from selectimprove.sampling import sample_completions
from selectimprove.scores import write_scores
from selectimprove.seeds import hash_seed
from selectimprove.specs import EvaluationSpec
from selectimprove.strategies import read_completion
from selectimprove.texts import TEXT_FORMS
from selectimprove.training import log_loop

logger = logging.getLogger(__name__)


def evaluate_checkpoint(spec: EvaluationSpec, checkpoint: Path, checkpoint_step: int, test_file: Path) -> pd.DataFrame:
    """Return the rows of one checkpoint."""
    torch.manual_seed(hash_seed("evaluation", spec.run, spec.suite.name, spec.seed, checkpoint_step))
    tokenizer = load_tokenizer(str(checkpoint))
    model = load_model(str(checkpoint)).eval()
    if torch.cuda.is_available():
        model = model.cuda()
    rows = read_rows(test_file)
    samples = spec.suite.completions_per_problem
    sampled = sample_completions(
        model,
        [encode_prompt(tokenizer, row["prompt"]) for row in rows],
        completions_per_prompt=samples,
        temperature=spec.suite.temperature,
        max_completion_tokens=spec.suite.max_completion_tokens,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    table = []
    for position, ids in enumerate(sampled):
        row = rows[position // samples]
        completion = decode_completion(tokenizer, ids)
        reading = read_completion(completion, row["problem"], TEXT_FORMS[spec.text])
        table.append(
            {
                "problem_id": row["id"],
                "sample": position % samples,
                "kind": row["kind"],
                "steps": row["steps"],
                "parts": len(row["problem"].parts),
                "strategy": reading.strategy,
                "forced_strategy": None,
                "correct": reading.correct,
                "first_wrong_step": reading.first_wrong_step,
                "correct_parts": reading.correct_parts,
                "failure": reading.failure,
                "tokens": len(ids),
                "completion": completion,
            }
        )
    frame = pd.DataFrame(table).astype(
        {"first_wrong_step": "Int64", "failure": "string", "forced_strategy": "string", "correct": bool}
    )
    lineage = {
        "run": spec.run,
        "sft_run": spec.sft_run,
        "training": spec.training,
        "seed": spec.seed,
        "checkpoint_step": checkpoint_step,
        "checkpoint": str(checkpoint),
        "checkpoint_digest": digest_checkpoint(checkpoint),
        "suite": spec.suite.name,
    }
    for position, (name, value) in enumerate(lineage.items()):
        frame.insert(position, name, value)
    return frame


def evaluate(spec: EvaluationSpec, checkpoints: list[Path], test_file: Path, table_file: Path) -> None:
    """Evaluate all checkpoints of a run on a suite and write the table as Parquet."""
    frames = []
    with log_loop():
        for step, checkpoint in zip(spec.checkpoint_steps, checkpoints, strict=True):
            frames.append(evaluate_checkpoint(spec, checkpoint, step, test_file))
            accuracy = frames[-1].groupby("kind")["correct"].mean()
            logger.info("%s step %d on %s: %s", spec.run, step, spec.suite.name, accuracy.round(3).to_dict())
    write_scores(pd.concat(frames, ignore_index=True), table_file)
