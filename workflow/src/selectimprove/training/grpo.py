"""Reinforcement learning with GRPO from an SFT checkpoint: the reward is the verifier's verdict, nothing else.

TRL's trainer with the paper's recipe; what is ours is that the completions of a group share their prompt, when they are
sampled (sampling.py) and when they are scored. Loss, KL estimate and advantages are those of DeepSeekMath (Shao et al.
2024, section 4.1) unless the config says otherwise.
"""

import dataclasses
import logging
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.nn.functional import pad
from transformers import DynamicCache, PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer
from trl.import_utils import is_vllm_available
from trl.models import unwrap_model_for_generation
from trl.trainer.utils import split_tensor_dict

from selectimprove.experiment.specs import RLSpec
from selectimprove.provenance.records import digest_inputs
from selectimprove.seeds import random_stream
from selectimprove.tasks.data import TASK_FILE, read_rows
from selectimprove.tasks.problems import AnyProblem
from selectimprove.tasks.rewards import CUT, verify_completion
from selectimprove.tasks.specs import KINDS
from selectimprove.tasks.strategies import read_completion
from selectimprove.tasks.texts import TEXT_FORMS
from selectimprove.training.models import (
    decode_completion,
    encode_prompt,
    find_dtype,
    find_training_dtype,
    load_model,
    load_tokenizer,
    make_lora_config,
)
from selectimprove.training.sampling import Sampler
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

logger = logging.getLogger(__name__)


class SharedPromptTrainer(GRPOTrainer):
    """GRPOTrainer that runs each prompt of a group through the model once, to sample and to score completions.

    Completions of a group that came out the same are scored once, too. Loss and gradient are those of GRPOTrainer on
    the same completions, to rounding. Only the grouping of completions into micro-batches differs: groups stay whole,
    so that they can share their prompt.
    """

    _sampler: Sampler | None = None  # kept, since what it captures on a GPU holds for all steps

    def _tokenize_prompts(self, prompts):
        return [encode_prompt(self._tokenizer, prompt) for prompt in prompts], None, {}

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False):
        if self.use_vllm:
            return super()._generate_single_turn(
                prompt_ids, images, multimodal_fields, num_generations, has_tool_images
            )
        with unwrap_model_for_generation(self.model_wrapped, self.accelerator) as model:
            if self._sampler is None:
                self._sampler = Sampler(
                    model,
                    temperature=self.temperature,
                    max_completion_tokens=self.max_completion_length,
                    eos_token_id=self._tokenizer.eos_token_id,
                    pad_token_id=self._tokenizer.pad_token_id,
                    dtype=find_dtype(),
                )
            return self._sampler.sample(prompt_ids[::num_generations], num_generations), None

    def _prepare_inputs(self, generation_batch):
        if self._step % self.args.steps_per_generation == 0 or self._buffered_inputs is None:
            completions = self._generate_and_score_completions(generation_batch)
            self._buffered_inputs = split_tensor_dict(completions, self.args.steps_per_generation)
        return self._buffered_inputs[self._step % self.args.steps_per_generation]

    def _get_per_token_logps_and_entropies(
        self, model, input_ids, attention_mask, logits_to_keep, batch_size=None, compute_entropy=False, **_
    ):
        rows_per_batch = batch_size or len(input_ids)
        batches = zip(input_ids.split(rows_per_batch), attention_mask.split(rows_per_batch), strict=True)
        scores = [self._score_completions(model, ids, mask, logits_to_keep) for ids, mask in batches]
        log_probs = torch.cat([log_probs for log_probs, _ in scores])
        entropies = torch.cat([entropies for _, entropies in scores]) if compute_entropy else None
        return log_probs, entropies, None

    def _score_completions(
        self, model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor, completion_columns: int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the log-probability, and the entropy if the model gives it, of each completion token.

        ids, mask: shape (rows, columns), prompts padded on the left and completions on the right; the returned tensors
        have shape (rows, completion_columns). Gradients flow through the keys and values of shared prompts.
        """
        prompt_lengths = mask[:, :-completion_columns].sum(1)
        longest_prompt = int(prompt_lengths.max())
        longest_completion = int(mask[:, -completion_columns:].sum(1).max())
        begin = ids.shape[1] - completion_columns - longest_prompt
        columns = slice(begin, begin + longest_prompt + longest_completion)
        # Rows that are the same are scored once. They come back sorted, so those of one prompt stay together.
        rows, copy_of = torch.cat([ids[:, columns], mask[:, columns]], dim=1).unique(dim=0, return_inverse=True)
        ids, mask = rows.chunk(2, dim=1)
        prompt_lengths = mask[:, :longest_prompt].sum(1)
        prompts, prompt_of_row = ids[:, :longest_prompt].unique_consecutive(dim=0, return_inverse=True)
        lengths = prompt_lengths.new_empty(len(prompts)).index_copy(0, prompt_of_row, prompt_lengths)
        prompt_positions = torch.arange(longest_prompt, device=ids.device) - (longest_prompt - lengths)[:, None]
        completion_positions = torch.arange(longest_completion, device=ids.device) + prompt_lengths[:, None] - 1
        cache = DynamicCache()
        with self.accelerator.autocast():
            # The last token of a prompt predicts the first of a completion, so it goes with the completions.
            model(
                input_ids=prompts[:, :-1],
                attention_mask=(prompt_positions >= 0).long()[:, :-1],
                position_ids=prompt_positions.clamp(min=0)[:, :-1],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache.batch_select_indices(prompt_of_row)
            output = model(
                input_ids=ids[:, longest_prompt - 1 : -1],
                attention_mask=mask[:, :-1],
                position_ids=completion_positions,
                past_key_values=cache,
                shift_labels=ids[:, longest_prompt:].masked_fill(mask[:, longest_prompt:] == 0, IGNORED),
                fused_lm_head=True,
            )
        cut = completion_columns - longest_completion
        log_probs, entropies = (
            None if values is None else pad(values[copy_of], (0, cut)) for values in (output.log_probs, output.entropy)
        )
        return log_probs, entropies


def schedule_prompts(spec: RLSpec, rows: list[dict[str, Any]]) -> Dataset:
    """Return the prompts of the whole run in order: the data set shuffled anew each time it is used up.

    One pass over a list this long, unlike epochs over a shorter one, resumes exactly. Within a step, prompts go from
    short to long, so that those of a micro-batch need little padding.
    """
    needed = spec.updates * spec.prompts_per_step
    order: list[int] = []
    while len(order) < needed:
        indices = list(range(len(rows)))
        random_stream("rl", "prompts", spec.run, spec.seed, len(order)).shuffle(indices)
        order += indices
    prompts = [row["prompt"] for row in rows]
    steps = [order[at : at + spec.prompts_per_step] for at in range(0, needed, spec.prompts_per_step)]
    order = [index for step in steps for index in sorted(step, key=lambda index: len(prompts[index]))]
    return Dataset.from_list([{"prompt": prompts[index], "row": index} for index in order])


def make_reward(rows: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, text: str) -> Callable:
    """Return the reward function for TRL: 1 for the right answer, else 0.

    It also logs the mean reward by kind and by number of steps, or of parts for a composition, the share of forward
    completions by kind, and the share of completions that were cut.
    """

    def reward(completion_ids: list[list[int]], row: list[int], log_metric: Callable, **_: Any) -> list[float]:
        rewards, groups = [], defaultdict(list)
        for ids, index in zip(completion_ids, row, strict=True):
            problem = rows[index]["problem"]
            completion = decode_completion(tokenizer, ids)
            rewards.append(verify_completion(completion, problem, TEXT_FORMS[text]))
            forward = float(read_completion(completion, problem, TEXT_FORMS[text]).strategy == "forward")
            groups[f"reward_{problem.kind}"].append(rewards[-1])
            groups[f"reward_{name_length(problem)}"].append(rewards[-1])
            groups["forward_share"].append(forward)
            groups[f"forward_share_{problem.kind}"].append(forward)
            groups["truncated_share"].append(float(completion.endswith(CUT)))
        for name, values in groups.items():
            log_metric(name, sum(values) / len(values))
        return rewards

    return reward


def name_length(problem: AnyProblem) -> str:
    """Return how a problem's length is named in metrics, such as steps_6 or parts_3."""
    return f"steps_{problem.steps}" if len(problem.parts) == 1 else f"parts_{len(problem.parts)}"


def list_metrics(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return the logged names to keep and their columns in the metrics CSV."""
    kinds = [kind for kind in (*KINDS, "composition") if any(row["kind"] == kind for row in rows)]
    lengths = sorted({(len(row["problem"].parts), row["problem"].steps, name_length(row["problem"])) for row in rows})
    own = [
        *(f"reward_{kind}" for kind in kinds),
        *dict.fromkeys(f"reward_{name}" for _, _, name in lengths),
        "forward_share",
        *(f"forward_share_{kind}" for kind in kinds),
    ]
    return {
        "loss": "loss",
        "reward": "reward",
        **{name: name for name in own},
        "kl": "kl",
        "entropy": "entropy",
        "completions/mean_length": "completion_tokens",
        "truncated_share": "truncated_share",  # TRL's own counts a completion that ends on a pad token as whole
        "frac_reward_zero_std": "groups_without_spread",
        "grad_norm": "gradient_norm",
        "learning_rate": "learning_rate",
        "num_tokens": "tokens",
    }


def make_trainer(
    spec: RLSpec, start: Path, rows: list[dict[str, Any]], folder: Path, trainer_class: type = SharedPromptTrainer
) -> GRPOTrainer:
    """Return the trainer of a run that starts from the checkpoint `start` and keeps its own state in `folder`."""
    tokenizer = load_tokenizer(str(start))
    use_vllm = torch.cuda.is_available() and is_vllm_available()
    logger.info("completions are sampled by %s", "vLLM" if use_vllm else "sampling.py")
    return trainer_class(
        model=load_model(str(start), dtype=find_training_dtype(spec.lora)),
        reward_funcs=make_reward(rows, tokenizer, spec.model.text),
        args=GRPOConfig(
            **trainer_settings(spec, folder, seed_training("rl", spec.run, spec.seed)),
            max_steps=spec.updates,
            lr_scheduler_type=spec.lr_schedule,
            per_device_train_batch_size=spec.completions_per_step // spec.micro_batches,
            gradient_accumulation_steps=spec.micro_batches // spec.processes,
            num_generations=spec.completions_per_prompt,
            max_completion_length=spec.max_completion_tokens,
            temperature=spec.temperature,
            beta=spec.beta,
            use_bias_correction_kl=spec.kl_bias_correction,
            loss_type=spec.loss_type,
            shuffle_dataset=False,
            use_vllm=use_vllm,  # in this process, on the GPU that also trains
        ),
        train_dataset=schedule_prompts(spec, rows),
        processing_class=tokenizer,
        peft_config=make_lora_config(spec.lora),
    )


def train(
    spec: RLSpec,
    start: Path,
    train_file: Path,
    checkpoint_folders: list[Path],
    metrics_file: Path,
    resume_root: Path,
    curves: Curves | None = None,
) -> None:
    """Train from the checkpoint `start`; write the step metrics and a checkpoint for each of spec.checkpoint_steps."""
    inputs = digest_inputs(start, train_file, train_file.with_name(TASK_FILE))
    rows = read_rows(train_file)
    resume_folder = find_resume_folder(resume_root, spec, inputs)

    def make_trainer_within(completions: int) -> GRPOTrainer:
        within = dataclasses.replace(spec, micro_batches=spec.completions_per_step // completions)
        return make_trainer(within, start, rows, resume_folder)

    metrics = list_metrics(rows)
    completions = spec.completions_per_step // spec.micro_batches
    trainer = train_within_memory(make_trainer_within, completions, spec.processes, metrics, curves)
    if trainer.is_world_process_zero():
        write_metrics(trainer.state, metrics_file, metrics)
        for step, folder in zip(spec.checkpoint_steps, checkpoint_folders, strict=True):
            keep_checkpoint(resume_folder / f"checkpoint-{step}", folder, spec, inputs)
        remove_resume_folder(resume_root)
