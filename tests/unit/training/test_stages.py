"""The training stages on models of a few thousand weights: they learn, they resume, they keep what they say."""

import dataclasses
import json

import pandas as pd
import pytest
import torch
from stages import (
    TEXT,
    interrupt_once,
    run_pretrain,
    run_rl,
    run_sft,
    weights_equal,
)
from tiny_models import (
    GF5,
    LORA,
    make_rl_spec,
)
from transformers import TrainerCallback
from trl import GRPOTrainer

from selectimprove.provenance.records import digest_checkpoint
from selectimprove.tasks.data import read_rows
from selectimprove.tasks.strategies import STRATEGIES
from selectimprove.training import grpo, sft
from selectimprove.training.models import create_tokenizer, encode_completion, load_model

PINNED_LOSSES = {
    "pretrain": [4.322433, 3.868108, 4.144876, 4.102125],
    "sft": [4.134819, 3.800659, 3.653116, 3.588300],
    "rl": [0.0, 0.028688, 0.052298, 0.057320],
}


def test_losses_follow_the_pinned_trajectory(tmp_path, base, sft_data, rl_data, rewarded_opening):
    """The first losses of each stage, so that no change of library or code alters training unnoticed."""
    run_pretrain(tmp_path / "pretrain")
    run_sft(tmp_path / "sft", base, sft_data)
    run_rl(tmp_path / "rl", base, rl_data)
    losses = {stage: pd.read_csv(tmp_path / stage / "metrics.csv")["loss"].tolist() for stage in PINNED_LOSSES}
    for stage, pinned in PINNED_LOSSES.items():
        assert losses[stage] == pytest.approx(pinned, rel=1e-3, abs=1e-6), losses


def test_pretraining_learns_and_resumes_exactly(tmp_path, monkeypatch):
    whole = run_pretrain(tmp_path / "whole", updates=40)
    loss = pd.read_csv(tmp_path / "whole" / "metrics.csv")["loss"]
    assert len(loss) == 40
    assert loss.tail(5).mean() < 0.8 * loss.head(5).mean()
    resumed = interrupt_once(monkeypatch, lambda: run_pretrain(tmp_path / "resumed", updates=40))
    assert weights_equal(whole, resumed)
    assert not (tmp_path / "resumed" / "resume").exists()


def test_sft_learns_records_its_origin_and_resumes_exactly(tmp_path, base, sft_data, monkeypatch):
    whole = run_sft(tmp_path / "whole", base, sft_data, epochs=5)
    metrics = pd.read_csv(tmp_path / "whole" / "metrics.csv")
    assert len(metrics) == 20
    assert metrics["loss"].iloc[-1] < 0.8 * metrics["loss"].iloc[0]
    assert metrics["validation_loss"].notna().sum() == 10
    record = json.loads((whole / "provenance.json").read_text())
    assert record["digest"] == digest_checkpoint(whole)
    assert record["inputs"][str(base)] == digest_checkpoint(base)
    assert record["spec"]["epochs"] == 5
    resumed = interrupt_once(monkeypatch, lambda: run_sft(tmp_path / "resumed", base, sft_data, epochs=5))
    assert weights_equal(whole, resumed)


def test_sft_trains_on_the_completion_only(base, sft_data):
    tokenizer = create_tokenizer(GF5)
    rows = read_rows(sft_data / "train.jsonl")
    for row, encoded in zip(rows, sft.encode_pairs(rows, tokenizer), strict=True):
        trained = [token for token in encoded["labels"] if token != sft.IGNORED]
        assert trained == encode_completion(tokenizer, row["completion"])
        assert len(encoded["input_ids"]) == len(row["prompt"].split()) + len(trained)


def test_rl_raises_its_reward_and_resumes_exactly(tmp_path, base, rl_data, rewarded_opening, monkeypatch):
    whole = run_rl(tmp_path / "whole", base, rl_data, updates=25)
    metrics = pd.read_csv(tmp_path / "whole" / "metrics.csv")
    assert list(metrics["step"]) == list(range(1, 26))
    assert metrics["reward"].tail(5).mean() > metrics["reward"].head(5).mean() + 0.2
    assert (metrics["forward_share"] == metrics["reward"]).all()
    assert metrics["kl"].iloc[0] == pytest.approx(0, abs=1e-6)
    assert metrics["kl"].iloc[-1] > 1e-3
    assert [folder.name for folder in whole] == [f"step{step}" for step in (*range(2, 25, 2), 25)]
    assert not weights_equal(whole[0], whole[-1])
    resumed = interrupt_once(monkeypatch, lambda: run_rl(tmp_path / "resumed", base, rl_data, updates=25))
    assert weights_equal(whole[-1], resumed[-1])


class KeepGradients(TrainerCallback):
    """Keeps the gradient of the first update."""

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.gradients = {name: weight.grad.clone() for name, weight in model.named_parameters()}


def test_shared_prompts_give_the_loss_and_gradient_of_the_stock_trainer(tmp_path, base, rl_data, rewarded_opening):
    """On the same completions, of several lengths, some the same or alone in having a reward, off the reference."""
    rows = read_rows(rl_data / "train.jsonl")
    completions = [[3 + (7 * row + at * at) % 20 for at in range(2 + (5 * row) % 13)] for row in range(16)]
    completions[3], completions[14] = completions[1], completions[12]
    measured = []
    for trainer_class in (GRPOTrainer, grpo.SharedPromptTrainer):

        class WithCompletions(trainer_class):
            def _generate_single_turn(self, *args, **kwargs):
                return completions, None

        spec = make_rl_spec(updates=1, checkpoint_every=1)
        trainer = grpo.make_trainer(spec, base, rows, tmp_path / trainer_class.__name__, WithCompletions)
        trainer.args.max_grad_norm = 1e6
        with torch.no_grad():
            for weight in trainer.model.parameters():
                weight.mul_(1.1)
        keeper = KeepGradients()
        trainer.add_callback(keeper)
        trainer.train()
        measured.append((trainer.state.log_history[0], keeper.gradients))
    (stock, stock_gradients), (shared, shared_gradients) = measured
    assert stock["kl"] > 1e-3
    for name in ("loss", "reward", "grad_norm"):
        assert shared[name] == pytest.approx(stock[name], abs=1e-5, rel=1e-5), name
    assert shared_gradients.keys() == stock_gradients.keys()
    for name, gradient in stock_gradients.items():
        assert gradient.abs().max() > 1e-4
        torch.testing.assert_close(shared_gradients[name], gradient, atol=1e-5, rtol=1e-5)


def test_lora_sft_is_merged_and_lora_rl_keeps_an_adapter(tmp_path, base, sft_data, rl_data, rewarded_opening):
    start = run_sft(tmp_path / "sft", base, sft_data, lora=LORA)
    assert not (start / "adapter_config.json").exists()
    assert not weights_equal(base, start)
    last = run_rl(tmp_path / "rl", start, rl_data, lora=LORA)[-1]
    assert (last / "adapter_model.safetensors").exists()
    ids = torch.tensor([[3, 4, 5]])
    logits = [load_model(str(folder)).eval()(ids).logits for folder in (start, last)]
    assert not torch.allclose(*logits, atol=1e-4)
    # KL is measured against the SFT model: nought at the first step, when adapter and reference agree.
    assert pd.read_csv(tmp_path / "rl" / "metrics.csv")["kl"].iloc[0] == pytest.approx(0, abs=1e-6)


def test_reward_is_the_verdict_and_metrics_are_by_kind_and_steps(rl_data):
    rows = read_rows(rl_data / "train.jsonl")
    tokenizer = create_tokenizer(GF5)
    metrics = {}
    right = [
        encode_completion(tokenizer, TEXT.write_completion(STRATEGIES["forward"](row["problem"]), row["problem"].task))
        for row in rows
    ]
    wrong = [ids[:-2] + [tokenizer.convert_tokens_to_ids("?"), ids[-1]] for ids in right]
    reward = grpo.make_reward(rows, tokenizer, "symbolic")
    indices = list(range(len(rows)))
    paid = reward(completion_ids=right + wrong, row=indices + indices, log_metric=metrics.__setitem__)
    assert paid == [1.0] * len(rows) + [0.0] * len(rows)
    expected = {"forward_share": 1.0, "forward_share_evaluation": 1.0, "forward_share_inversion": 1.0}
    expected |= dict.fromkeys(("reward_evaluation", "reward_inversion", "reward_steps_2", "reward_steps_3"), 0.5)
    expected["truncated_share"] = 0.0
    assert metrics == expected
    assert set(metrics) <= set(grpo.list_metrics(rows))
    mixed = [encode_completion(tokenizer, write_mixed(row["problem"])) for row in rows]
    assert reward(completion_ids=mixed, row=indices, log_metric=metrics.__setitem__) == [1.0] * len(rows)
    assert metrics["forward_share"] == 0


def write_mixed(problem) -> str:
    """Return a completion that opens forward, goes on backward and ends right."""
    forward, backward = (write(problem) for write in STRATEGIES.values())
    return TEXT.write_completion(dataclasses.replace(backward, opening=forward.opening), problem.task)


def test_prompt_schedule_covers_the_run_and_uses_every_prompt_each_pass(rl_data):
    rows = read_rows(rl_data / "train.jsonl")
    spec = make_rl_spec(updates=9)
    schedule = grpo.schedule_prompts(spec, rows)
    order = schedule["row"]
    assert len(order) == 36
    assert sorted(order[:16]) == sorted(order[16:32]) == list(range(16))
    assert order[:16] != order[16:32]
    assert [rows[index]["prompt"] for index in order] == schedule["prompt"]
