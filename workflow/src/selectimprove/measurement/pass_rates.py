"""Pass rates: how often a checkpoint is right on each training problem of a data set, as RL would sample it.

What is filtered by them takes its prompts from there (see filtering.py).
"""

import logging
from pathlib import Path

import pandas as pd
import torch

from selectimprove.experiment.specs import PassRateSpec
from selectimprove.measurement.evaluation import sample_strategy
from selectimprove.measurement.scores import write_scores
from selectimprove.provenance.records import digest_inputs, make_record
from selectimprove.seeds import hash_seed
from selectimprove.tasks.data import TASK_FILE, read_rows
from selectimprove.tasks.rewards import verify_completion
from selectimprove.tasks.texts import TEXT_FORMS
from selectimprove.training.models import decode_completion, load_sampler
from selectimprove.training.trainers import log_loop

logger = logging.getLogger(__name__)


def measure_pass_rates(spec: PassRateSpec, checkpoint: Path, train_file: Path, table_file: Path) -> None:
    """Sample completions of each problem, judge them as RL does, and write a row a problem as Parquet, in their order.

    Columns: problem_id, kind, steps, samples (how many completions), right (how many of them the verifier accepts),
    pass_rate (the share of these). The same checkpoint, problems and spec give the same bytes.

    Raises ValueError on a checkpoint or data set that was changed after it was made.
    """
    inputs = digest_inputs(train_file, train_file.with_name(TASK_FILE), checkpoint)
    rows, text = read_rows(train_file), TEXT_FORMS[spec.text]
    torch.manual_seed(hash_seed("pass_rates", spec.run, spec.dataset, spec.seed))
    model, tokenizer = load_sampler(checkpoint)
    with log_loop():
        sampled = sample_strategy(
            model,
            tokenizer,
            [row["problem"] for row in rows],
            None,
            text,
            completions_per_prompt=spec.samples,
            temperature=spec.temperature,
            max_completion_tokens=spec.max_completion_tokens,
        )
        table = []
        for position, row in enumerate(rows):
            own = sampled[position * spec.samples : (position + 1) * spec.samples]
            completions = [decode_completion(tokenizer, ids) for ids in own]
            right = int(sum(verify_completion(completion, row["problem"], text) for completion in completions))
            table.append((row["id"], row["kind"], row["steps"], spec.samples, right, right / spec.samples))
    frame = pd.DataFrame(table, columns=["problem_id", "kind", "steps", "samples", "right", "pass_rate"])
    shares = frame["pass_rate"].value_counts(normalize=True).sort_index()
    told = ", ".join(f"{rate:.3g}: {100 * share:.1f} %" for rate, share in shares.items())
    logger.info("%s on %s, pass rates of %d problems: %s", spec.run, spec.dataset, len(frame), told)
    write_scores(frame, table_file, make_record(spec, inputs))
