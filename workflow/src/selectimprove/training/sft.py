"""Supervised fine-tuning on written solutions: variant F, B or FB is a matter of the data set's strategies."""

from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from selectimprove.experiment.specs import SFTSpec
from selectimprove.provenance.records import digest_inputs
from selectimprove.tasks.data import TASK_FILE, read_rows
from selectimprove.training.models import (
    encode_completion,
    encode_prompt,
    find_training_dtype,
    load_model,
    load_tokenizer,
    make_lora_config,
)
from selectimprove.training.trainers import (
    IGNORED,
    Curves,
    find_resume_folder,
    keep_checkpoint,
    remove_resume_folder,
    seed_training,
    train_within_memory,
    trainer_settings,
    write_metrics,
)

METRICS = {
    "loss": "loss",
    "mean_token_accuracy": "token_accuracy",
    "eval_completion_loss": "validation_loss",
    "eval_completion_mean_token_accuracy": "validation_token_accuracy",
    "eval_sequence_loss": "validation_sequence_loss",
    "learning_rate": "learning_rate",
}


def encode_pairs(rows: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, with_prompt: bool = False) -> Dataset:
    """Return prompt-completion pairs as token ids, labelled on the completion, or on the prompt as well."""
    encoded = []
    for row in rows:
        prompt = encode_prompt(tokenizer, row["prompt"])
        completion = encode_completion(tokenizer, row["completion"])
        unlabelled = [] if with_prompt else [IGNORED] * len(prompt)
        ids = prompt + completion
        encoded.append({"input_ids": ids, "labels": unlabelled + ids[len(unlabelled) :]})
    return Dataset.from_list(encoded)


def make_trainer(
    spec: SFTSpec, base: str, rows: dict[str, list[dict[str, Any]]], folder: Path, rows_per_pass: int
) -> SFTTrainer:
    """Return the trainer of a run that starts from `base` and keeps its own state in `folder`.

    rows: of the training and validation split; rows_per_pass: of a micro-batch, which pass through the model together.
    """
    seed = seed_training("sft", spec.run, spec.seed)
    tokenizer = load_tokenizer(base, spec.model.revision)
    return SFTTrainer(
        model=load_model(base, spec.model.revision, find_training_dtype(spec.lora)),
        args=SFTConfig(
            **trainer_settings(spec, folder, seed),
            num_train_epochs=spec.epochs,
            per_device_train_batch_size=rows_per_pass,
            gradient_accumulation_steps=spec.batch_size // (rows_per_pass * spec.processes),
            per_device_eval_batch_size=rows_per_pass,
            eval_strategy="steps",
            eval_steps=spec.checkpoint_every,
            lr_scheduler_type="linear",
            warmup_steps=spec.warmup_share,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
        ),
        train_dataset=encode_pairs(rows["train"], tokenizer),
        eval_dataset={
            "completion": encode_pairs(rows["validation"], tokenizer),
            "sequence": encode_pairs(rows["validation"], tokenizer, with_prompt=True),
        },
        processing_class=tokenizer,
        peft_config=make_lora_config(spec.lora, spec.model.revision),
    )


def train(
    spec: SFTSpec,
    base: str,
    data_folder: Path,
    model_folder: Path,
    metrics_file: Path,
    resume_root: Path,
    curves: Curves | None = None,
) -> None:
    """Fine-tune `base` (a folder or hub id) on the data set; write the final checkpoint and the step metrics.

    A LoRA adapter is merged into the checkpoint, so that RL has the whole SFT model as its reference.
    """
    files = {split: Path(data_folder) / f"{split}.jsonl" for split in ("train", "validation")}
    base_folder = [Path(base)] if Path(base).is_dir() else []
    inputs = digest_inputs(*files.values(), Path(data_folder) / TASK_FILE, *base_folder)
    rows = {split: read_rows(file) for split, file in files.items()}
    resume_folder = find_resume_folder(resume_root, spec, inputs)
    trainer = train_within_memory(
        lambda rows_per_pass: make_trainer(spec, base, rows, resume_folder, rows_per_pass),
        spec.batch_size // (spec.processes * spec.sft_micro_batches),
        spec.processes,
        METRICS,
        curves,
    )
    if trainer.is_world_process_zero():
        write_metrics(trainer.state, metrics_file, METRICS)
        last = resume_folder / f"checkpoint-{trainer.state.global_step}"
        keep_checkpoint(last, model_folder, spec, inputs, merge=spec.lora is not None)
        remove_resume_folder(resume_root)
