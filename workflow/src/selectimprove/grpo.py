"""Reinforcement learning with GRPO from an SFT checkpoint: the reward is the verifier's verdict, nothing else.

TRL's trainer with the paper's recipe; only the sampling of rollouts is ours (sampling.py). Loss, KL estimate and
advantages are those of DeepSeekMath (Shao et al. 2024, section 4.1) unless the config says otherwise.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer
from trl.models import unwrap_model_for_generation

from selectimprove.data import read_rows
from selectimprove.models import decode_completion, load_model, load_tokenizer, make_lora_config
from selectimprove.rewards import verify_completion
from selectimprove.sampling import sample_completions
from selectimprove.seeds import random_stream
from selectimprove.specs import KINDS, RLSpec
from selectimprove.strategies import read_completion
from selectimprove.texts import TEXT_FORMS
from selectimprove.training import (
    digest_inputs,
    find_resume_folder,
    keep_checkpoint,
    remove_resume_folder,
    run_trainer,
    seed_training,
    trainer_settings,
    write_metrics,
)


class RolloutTrainer(GRPOTrainer):
    """GRPOTrainer whose rollouts come from `sample_completions`, each prompt of a group run through the model once."""

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False):
        with unwrap_model_for_generation(self.model_wrapped, self.accelerator) as model:
            completion_ids = sample_completions(
                model,
                prompt_ids[::num_generations],
                completions_per_prompt=num_generations,
                temperature=self.temperature,
                max_completion_tokens=self.max_completion_length,
                eos_token_id=self._tokenizer.eos_token_id,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        return completion_ids, None


def schedule_prompts(spec: RLSpec, rows: list[dict[str, Any]], conversational: bool) -> Dataset:
    """Return the prompts of the whole run in order: the data set shuffled anew each time it is used up.

    One pass over a list this long, unlike epochs over a shorter one, resumes exactly.
    """
    needed = spec.updates * spec.prompts_per_step
    order: list[int] = []
    while len(order) < needed:
        indices = list(range(len(rows)))
        random_stream("rl", "prompts", spec.run, spec.seed, len(order)).shuffle(indices)
        order += indices
    prompts = [row["prompt"] for row in rows]
    if conversational:
        prompts = [[{"role": "user", "content": prompt}] for prompt in prompts]
    return Dataset.from_list([{"prompt": prompts[index], "row": index} for index in order[:needed]])


def make_reward(rows: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, text: str) -> Callable:
    """Return the reward function for TRL: 1 for the right answer, else 0.

    It also logs the mean reward by kind and by number of steps, and the share of forward openings by kind.
    """

    def reward(completion_ids: list[list[int]], row: list[int], log_metric: Callable, **_: Any) -> list[float]:
        rewards, groups = [], defaultdict(list)
        for ids, index in zip(completion_ids, row, strict=True):
            problem = rows[index]["problem"]
            completion = decode_completion(tokenizer, ids)
            rewards.append(verify_completion(completion, problem, TEXT_FORMS[text]))
            forward = float(read_completion(completion, problem, TEXT_FORMS[text]).strategy == "forward")
            groups[f"reward_{problem.kind}"].append(rewards[-1])
            groups[f"reward_steps_{problem.steps}"].append(rewards[-1])
            groups["forward_share"].append(forward)
            groups[f"forward_share_{problem.kind}"].append(forward)
        for name, values in groups.items():
            log_metric(name, sum(values) / len(values))
        return rewards

    return reward


def list_metrics(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return the logged names to keep and their columns in the metrics CSV."""
    lengths = sorted({row["steps"] for row in rows})
    own = [
        *(f"reward_{kind}" for kind in KINDS),
        *(f"reward_steps_{steps}" for steps in lengths),
        "forward_share",
        *(f"forward_share_{kind}" for kind in KINDS),
    ]
    return {
        "loss": "loss",
        "reward": "reward",
        **{name: name for name in own},
        "kl": "kl",
        "entropy": "entropy",
        "completions/mean_length": "completion_tokens",
        "completions/clipped_ratio": "truncated_share",
        "frac_reward_zero_std": "groups_without_spread",
        "grad_norm": "gradient_norm",
        "learning_rate": "learning_rate",
        "step_time": "seconds",
        "num_tokens": "tokens",
    }


def train(
    spec: RLSpec, start: Path, train_file: Path, checkpoint_folders: list[Path], metrics_file: Path, resume_root: Path
) -> None:
    """Train from the checkpoint `start`; write the step metrics and a checkpoint for each of spec.checkpoint_steps."""
    seed = seed_training("rl", spec.run, spec.seed)
    tokenizer = load_tokenizer(str(start))
    rows = read_rows(train_file)
    inputs = digest_inputs(start, train_file)
    resume_folder = find_resume_folder(resume_root, spec, inputs)
    completions_per_step = spec.prompts_per_step * spec.completions_per_prompt
    trainer = RolloutTrainer(
        model=load_model(str(start)),
        reward_funcs=make_reward(rows, tokenizer, spec.model.text),
        args=GRPOConfig(
            **trainer_settings(spec, resume_folder, seed),
            max_steps=spec.updates,
            lr_scheduler_type=spec.lr_schedule,
            per_device_train_batch_size=completions_per_step // spec.micro_batches,
            gradient_accumulation_steps=spec.micro_batches,
            num_generations=spec.completions_per_prompt,
            max_completion_length=spec.max_completion_tokens,
            temperature=spec.temperature,
            beta=spec.beta,
            use_bias_correction_kl=spec.kl_bias_correction,
            loss_type=spec.loss_type,
            shuffle_dataset=False,
        ),
        train_dataset=schedule_prompts(spec, rows, conversational=tokenizer.chat_template is not None),
        processing_class=tokenizer,
        peft_config=make_lora_config(spec.lora),
    )
    run_trainer(trainer)
    write_metrics(trainer, metrics_file, list_metrics(rows))
    for step, folder in zip(spec.checkpoint_steps, checkpoint_folders, strict=True):
        keep_checkpoint(resume_folder / f"checkpoint-{step}", folder, spec, inputs)
    remove_resume_folder(resume_root)
