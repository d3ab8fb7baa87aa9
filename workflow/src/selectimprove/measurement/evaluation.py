"""Evaluation: sample completions of held-out problems and judge each, one row a completion.

The table's columns are described in scores.py.
"""

import functools
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from selectimprove.experiment.specs import EvaluationSpec
from selectimprove.measurement.scores import write_scores
from selectimprove.provenance.records import digest_inputs, make_record
from selectimprove.seeds import hash_seed
from selectimprove.tasks.data import TASK_FILE, read_rows
from selectimprove.tasks.problems import AnyProblem
from selectimprove.tasks.rewards import CUT
from selectimprove.tasks.strategies import OPENING_NAMES, STRATEGIES, read_completion
from selectimprove.tasks.texts import TEXT_FORMS, TextForm
from selectimprove.training.models import (
    decode_completion,
    encode_completion,
    encode_prompt,
    load_sampler,
)
from selectimprove.training.sampling import sample_completions
from selectimprove.training.trainers import log_loop

logger = logging.getLogger(__name__)


def encode_words(tokenizer: PreTrainedTokenizerBase, words: str) -> list[int]:
    """Return the token ids of words that a completion begins with."""
    return encode_completion(tokenizer, words)[:-1]


def write_openings(problem: AnyProblem, strategy: str, text: TextForm) -> list[str]:
    """Return the strategy's opening of a completion, with each value that it can have."""
    opening = text.write_opening(OPENING_NAMES[strategy], problem.part_marks[0])
    return [f"{opening} {text.write_given(value, problem.task)}" for value in problem.task.values]


def begin_first_step(opening: str, problem: AnyProblem, strategy: str, text: TextForm) -> str:
    """Return an opening with its value, and behind it the words that begin the strategy's first step."""
    label = STRATEGIES[strategy](problem.parts[0]).steps[0].label
    return text.join_parts([opening, text.write_step_start(label)])


def sample_strategy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[AnyProblem],
    strategy: str | None,
    text: TextForm,
    *,
    completions_per_prompt: int,
    temperature: float,
    max_completion_tokens: int,
) -> list[list[int]]:
    """Return the token ids of completions of each problem, as sample_completions does.

    strategy: the one that they are made to begin with; None: they begin freely. Forced are the words of its opening
    and, behind the value, which the model writes, those that begin its first step. Where no value can be read, the
    completion goes on from what the model wrote in its place.
    """
    prompts = [encode_prompt(tokenizer, text.write_prompt(problem)) for problem in problems]
    sample = functools.partial(
        sample_completions,
        model,
        temperature=temperature,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    if strategy is None:
        return sample(
            prompts, completions_per_prompt=completions_per_prompt, max_completion_tokens=max_completion_tokens
        )
    names = [text.write_opening(OPENING_NAMES[strategy], problem.part_marks[0]) for problem in problems]
    opened = [encode_words(tokenizer, name) for name in names]
    longest = max(len(encode_words(tokenizer, opening)) for opening in write_openings(problems[0], strategy, text))
    values = sample(
        [[*prompt, *name] for prompt, name in zip(prompts, opened, strict=True)],
        completions_per_prompt=completions_per_prompt,
        max_completion_tokens=longest - len(opened[0]) + 1,  # one more shows where the value ends: e1 may begin e10
    )
    completions = []
    for index, ids in enumerate(values):
        problem = problems[index // completions_per_prompt]
        ids = [*opened[index // completions_per_prompt], *ids]
        opening = text.split_pieces(decode_completion(tokenizer, ids), problem.task)[0]
        if text.read_completion(opening, problem.task, problem.part_marks[0]).opening is not None:
            ids = encode_words(tokenizer, begin_first_step(opening, problem, strategy, text))
        completions.append(ids)
    going_on = [index for index, ids in enumerate(completions) if tokenizer.eos_token_id not in ids]
    continued = sample(
        [[*prompts[index // completions_per_prompt], *completions[index]] for index in going_on],
        completions_per_prompt=1,
        max_completion_tokens=max_completion_tokens - max(map(len, completions)),
    )
    for index, ids in zip(going_on, continued, strict=True):
        completions[index] += ids
    return completions


def evaluate_checkpoint(
    spec: EvaluationSpec, checkpoint: Path, checkpoint_step: int, digest: str, rows: list[dict[str, Any]]
) -> pd.DataFrame:
    """Return the score table's rows of one checkpoint; digest: the checkpoint's; rows: the problems (see read_rows)."""
    suite, text = spec.suite, TEXT_FORMS[spec.text]
    torch.manual_seed(hash_seed("evaluation", spec.run, suite.name, spec.seed, checkpoint_step))
    model, tokenizer = load_sampler(checkpoint)
    table = []
    for strategy in suite.forced_strategies or (None,):
        sampled = sample_strategy(
            model,
            tokenizer,
            [row["problem"] for row in rows],
            strategy,
            text,
            completions_per_prompt=suite.completions_per_problem,
            temperature=suite.temperature,
            max_completion_tokens=suite.max_completion_tokens,
        )
        for position, ids in enumerate(sampled):
            problem_position, sample = divmod(position, suite.completions_per_problem)
            row = rows[problem_position]
            completion = decode_completion(tokenizer, ids)
            reading = read_completion(completion, row["problem"], text)
            table.append(
                {
                    "problem_id": row["id"],
                    "sample": sample,
                    "kind": row["kind"],
                    "steps": row["steps"],
                    "parts": len(row["problem"].parts),
                    "strategy": reading.strategy,
                    "forced_strategy": strategy,
                    "correct": reading.correct,
                    "answered": reading.answer is not None,
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
        "checkpoint_digest": digest,
        "suite": suite.name,
    }
    for position, (name, value) in enumerate(lineage.items()):
        frame.insert(position, name, value)
    return frame


def evaluate(spec: EvaluationSpec, checkpoints: list[Path], test_file: Path, table_file: Path) -> None:
    """Evaluate the checkpoints of a run on a suite and write the table as Parquet.

    Raises ValueError on a checkpoint that was changed after it was made.
    """
    inputs = digest_inputs(test_file, test_file.with_name(TASK_FILE), *checkpoints)
    rows = read_rows(test_file)[: spec.suite.problems]
    frames = []
    with log_loop():
        for step, checkpoint in zip(spec.checkpoint_steps, checkpoints, strict=True):
            frames.append(evaluate_checkpoint(spec, checkpoint, step, inputs[str(checkpoint)], rows))
            accuracy = frames[-1].groupby("kind")["correct"].mean().round(3).to_dict()
            cut = 100 * frames[-1]["completion"].str.endswith(CUT).mean()
            logger.info("%s step %d on %s: %s, %.1f %% cut", spec.run, step, spec.suite.name, accuracy, cut)
    write_scores(pd.concat(frames, ignore_index=True), table_file, make_record(spec, inputs))
