"""Pretraining of the tiny base: general skill at the steps of a task, and not one solved problem.

A pretrained language model brings what the tiny model must be given: knowing how to carry out steps. The corpus has

- logs: a prompt-like chain, then the execution of its steps, forward or backward, from a state that is unrelated to
  the prompt, and an answer line with both ends of what was executed. Each end of the prompt is hidden or a random
  value, and the question asks for either. Nothing in it shows which value to start from or what the question means:
  prompt and opening carry no loss. A log may have several parts: chains in a row, each executed from a state of its
  own, which is not the answer before it; its label and what it asks are told first. A part may be quoted instead of
  executed: what its chain shows as start and as end, in either order. So the base can read a chain among others.
- facts: single steps (value, label, operation, result) in a batch of their own; only results carry loss.

One update takes `logs_per_update` logs and as many rows of facts. A log has as many parts as the lesser of two draws
says, mostly few; the steps of each are drawn evenly. Logs of like length share an update, to save padding, and short
ones come first.
"""

import logging
from pathlib import Path

import torch
from datasets import Dataset
from torch.nn import functional
from transformers import PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from selectimprove.experiment.specs import PretrainSpec
from selectimprove.seeds import random_stream
from selectimprove.tasks.problems import Problem
from selectimprove.tasks.registry import make_task
from selectimprove.tasks.strategies import STRATEGIES
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.tasks.texts import TEXT_FORMS
from selectimprove.tasks.traces import NAMES
from selectimprove.training.models import create_model, create_tokenizer
from selectimprove.training.optimizers import make_optimizer
from selectimprove.training.trainers import (
    IGNORED,
    Curves,
    find_resume_folder,
    keep_checkpoint,
    remove_resume_folder,
    run_trainer,
    seed_training,
    trainer_settings,
    write_metrics,
)

METRICS = {"loss": "loss", "mean_token_accuracy": "token_accuracy"}

logger = logging.getLogger(__name__)


def write_log(spec: PretrainSpec, index: int) -> list[tuple[str, str]]:
    """Return log `index` as (context, continuation) pairs in a row: the loss is on the continuations only.

    A continuation executes a part, or is a value of a quoted one behind its name. Where there are several parts, the
    label that opens each is a continuation, too, and the name that it asks for.
    """
    text = TEXT_FORMS[spec.model.text]
    key = ("pretrain", "logs", spec.seed, index)
    stream = random_stream(*key)
    task = make_task(spec.task, spec.seed).vary(*key)
    draw_parts = random_stream(*key, "parts")
    parts = min(draw_parts.randint(*spec.parts), draw_parts.randint(*spec.parts))
    strategies = ["forward" if stream.random() < spec.forward_share else "backward" for _ in range(parts)]
    lengths = [stream.randint(*getattr(spec.steps, strategy)) for strategy in strategies]
    chains = [
        (
            stream.choice(("evaluation", "inversion")),
            stream.choice(task.values),
            tuple(task.draw_operation(stream) for _ in range(steps)),
        )
        for steps in lengths
    ]
    draw_quotes = random_stream(*key, "quotes")
    label = stream.randint(1, text.label_pool - sum(lengths) + 1)
    prompt = [task.write_statement()] if task.stated else []
    segments = []
    for strategy, (kind, start, operations) in zip(strategies, chains, strict=True):
        problem = Problem(kind, task, start, operations, first_label=label)
        label += problem.steps
        shown = [stream.choice((None, stream.choice(task.values))) for _ in NAMES]
        asked = problem.unknown  # of a kind drawn at random: it says nothing about the ends, nor about the trace
        ends = ["?" if value is None else task.write_value(value) for value in shown]
        prompt += text.write_chain(problem, *ends, asked)
        opening, continuation = text.write_completion(STRATEGIES[strategy](problem), task).split(" L", 1)
        segments += [("", f"L{problem.first_label}"), ("?", asked)] if parts > 1 else []
        if draw_quotes.random() < spec.quoted_share:
            segments += draw_quotes.sample(list(zip(NAMES, ends, strict=True)), 2)
        else:
            segments.append((opening, f"L{continuation}"))
    (context, continuation), *others = segments
    return [(" ".join([*prompt, *context.split()]), continuation), *others]


def write_facts(spec: PretrainSpec, index: int) -> list[str]:
    """Return the words of one row: what prompts state of the task, if anything, then `facts_per_row` steps."""
    key = ("pretrain", "facts", spec.seed, index)
    stream = random_stream(*key)
    task = make_task(spec.task, spec.seed).vary(*key)
    words = [task.write_statement()] if task.stated else []
    for _ in range(spec.facts_per_row):
        value = stream.choice(task.values)
        operation = task.draw_operation(stream, undoing=True)
        label = f"L{stream.randint(1, SymbolicText.label_pool)}"
        result = task.write_result(task.apply(operation, value))
        words += [task.write_result(value), label, task.write_trace_operation(operation), result]
    return " ".join(words).split()


def encode_log(spec: PretrainSpec, index: int, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[int]]:
    """Return token ids and labels of a log: it has loss on its continuations and on the end-of-sequence token."""
    vocabulary = tokenizer.get_vocab()
    row = {"input_ids": [], "labels": []}
    for part in write_log(spec, index):
        context, continuation = ([vocabulary[word] for word in words.split()] for words in part)
        row["input_ids"] += context + continuation
        row["labels"] += [IGNORED] * len(context) + continuation
    return {name: [*ids, tokenizer.eos_token_id] for name, ids in row.items()}


def encode_corpus(spec: PretrainSpec, tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """Return the corpus in training order: for each update a batch of logs, then a batch of facts.

    Batches come in random order, but for a curriculum (Bengio et al. 2009): each draws a time between 0 and 1, and the
    one at a share r of them, sorted by length, comes no sooner than at time r x `curriculum_share`.
    """
    vocabulary = tokenizer.get_vocab()
    task = make_task(spec.task, spec.seed)
    fact_length = 2 * task.result_notation.length + 1 + task.trace_operation_notation.length
    logs = [encode_log(spec, index, tokenizer) for index in range(spec.updates * spec.logs_per_update)]
    logs.sort(key=lambda row: len(row["input_ids"]))
    batches = [logs[at : at + spec.logs_per_update] for at in range(0, len(logs), spec.logs_per_update)]
    stream = random_stream("pretrain", "order", spec.seed)
    times = [max(stream.random(), spec.curriculum_share * rank / spec.updates) for rank in range(spec.updates)]
    rows = []
    for update, rank in enumerate(sorted(range(spec.updates), key=times.__getitem__)):
        rows += batches[rank]
        for row in range(spec.logs_per_update):
            words = write_facts(spec, update * spec.logs_per_update + row)
            ids = [vocabulary[word] for word in words]
            first_fact = len(ids) - fact_length * spec.facts_per_row
            first_result = fact_length - task.result_notation.length  # within a fact
            is_result = [at >= first_fact and (at - first_fact) % fact_length >= first_result for at in range(len(ids))]
            labels = [token if result else IGNORED for token, result in zip(ids, is_result, strict=True)]
            rows.append({"input_ids": ids, "labels": labels})
    return Dataset.from_list(rows)


class PretrainTrainer(SFTTrainer):
    """SFTTrainer with the same loss for less: of the last layer it computes only what tokens with loss need.

    Rows are padded on the right, where causal attention needs no mask.
    """

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        ids, labels = inputs["input_ids"][:, :-1], inputs["labels"][:, 1:]
        places = labels != IGNORED
        targets = labels[places]
        *layers, last = model.model.layers
        hidden = model.model.embed_tokens(ids)
        rotation = model.model.rotary_emb(hidden, torch.arange(ids.shape[1], device=ids.device)[None])
        for layer in layers:
            hidden = layer(hidden, attention_mask=None, position_embeddings=rotation)
        attended, _ = last.self_attn(last.input_layernorm(hidden), attention_mask=None, position_embeddings=rotation)
        hidden = (hidden + attended)[places]
        hidden = hidden + last.mlp(last.post_attention_layernorm(hidden))
        logits = model.lm_head(model.model.norm(hidden))
        correct = (logits.detach().argmax(-1) == targets).float().mean()
        self._metrics["train"]["mean_token_accuracy"].append(correct.item())
        return functional.cross_entropy(logits, targets)


def make_trainer(
    spec: PretrainSpec, resume_folder: Path, trainer_class: type[SFTTrainer] = PretrainTrainer
) -> SFTTrainer:
    """Return the trainer of the base that `spec` describes, before its first update or its resumption."""
    seed = seed_training("pretrain", spec.seed)
    tokenizer = create_tokenizer(make_task(spec.task, spec.seed))
    model = create_model(spec.model.architecture, tokenizer)
    trainer = trainer_class(
        model=model,
        args=SFTConfig(
            **trainer_settings(spec, resume_folder, seed),
            max_steps=spec.updates,
            per_device_train_batch_size=spec.logs_per_update,
            gradient_accumulation_steps=2,
            train_sampling_strategy="sequential",
            lr_scheduler_type="linear",
            warmup_steps=round(spec.warmup_share * spec.updates),
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
        ),
        train_dataset=encode_corpus(spec, tokenizer),
        processing_class=tokenizer,
        optimizers=(make_optimizer(model, spec.muon, spec.learning_rate), None),
    )
    # Without this the loss would be a mean over all tokens of an update, of which facts are few: the tables of
    # GF(11) are learned in 150 updates when facts weigh as much as logs, and hardly at all otherwise.
    trainer.model_accepts_loss_kwargs = False
    return trainer


def train(
    spec: PretrainSpec, model_folder: Path, metrics_file: Path, resume_root: Path, curves: Curves | None = None
) -> None:
    """Pretrain the base that `spec` describes; write its checkpoint and the metrics of every update."""
    resume_folder = find_resume_folder(resume_root, spec, {})
    trainer = make_trainer(spec, resume_folder)
    run_trainer(trainer, METRICS, curves)
    write_metrics(trainer.state, metrics_file, METRICS)
    keep_checkpoint(resume_folder / f"checkpoint-{spec.updates}", model_folder, spec, {})
    remove_resume_folder(resume_root)
