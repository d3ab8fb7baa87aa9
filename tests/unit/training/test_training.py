"""The training stages on models of a few thousand weights: they learn, they resume, they keep what they say."""

import json
import logging
import os
import pickle
import re
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch
from broken_disk import file_size_limit
from safetensors import SafetensorError
from safetensors.torch import load_file
from tiny_models import (
    LORA,
    ORDER,
    RL_DATA,
    SFT_DATA,
    Payload,
    make_pretrain_spec,
    make_rl_spec,
    make_sft_spec,
    make_suite,
    save_data,
    save_model,
)
from transformers import TrainerCallback
from trl import GRPOTrainer

from selectimprove.experiment.specs import EvaluationSpec, build_spec
from selectimprove.measurement.evaluation import evaluate
from selectimprove.measurement.scores import COLUMNS, read_scores
from selectimprove.provenance.records import digest_checkpoint, digest_path, read_record
from selectimprove.tasks.data import read_rows
from selectimprove.tasks.strategies import STRATEGIES
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.training import grpo, pretrain, sft, trainers
from selectimprove.training.models import create_tokenizer, encode_completion, load_model

TEXT = SymbolicText()


def run_pretrain(folder, **changes):
    pretrain.train(make_pretrain_spec(**changes), folder / "model", folder / "metrics.csv", folder / "resume")
    return folder / "model"


def run_sft(folder, base, data, **changes):
    sft.train(make_sft_spec(**changes), str(base), data, folder / "step0", folder / "metrics.csv", folder / "resume")
    return folder / "step0"


def run_rl(folder, start, data, **changes):
    spec = make_rl_spec(**changes)
    folders = [folder / f"step{step}" for step in spec.checkpoint_steps]
    grpo.train(spec, start, data / "train.jsonl", folders, folder / "metrics.csv", folder / "resume")
    return folders


@pytest.fixture
def base(tmp_path):
    return save_model(tmp_path / "base")


@pytest.fixture
def sft_data(tmp_path):
    return save_data(tmp_path / "sft_data", SFT_DATA)


@pytest.fixture
def rl_data(tmp_path):
    return save_data(tmp_path / "rl_data", RL_DATA)


@pytest.fixture
def rewarded_opening(monkeypatch):
    """Pay for a first token of odd id instead of a right answer, which a random model never gives."""

    def make_reward(rows, tokenizer, text):
        def reward(completion_ids, row, log_metric, **_):
            rewards = [float(ids[0] % 2) for ids in completion_ids]
            log_metric("forward_share", sum(rewards) / len(rewards))
            return rewards

        return reward

    monkeypatch.setattr(grpo, "make_reward", make_reward)


class Interruption(TrainerCallback):
    """Stands for a kill: stops training after step 3, one step past a checkpoint."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 3:
            raise KeyboardInterrupt


def add_callback(patch, callback):
    """Have every trainer call `callback`."""
    plain = trainers.run_trainer
    for module in (pretrain, trainers):
        patch.setattr(module, "run_trainer", lambda trainer: (trainer.add_callback(callback), plain(trainer)))


def interrupt_once(monkeypatch, run):
    """Call `run` with an interruption, then again without."""
    with monkeypatch.context() as patch:
        add_callback(patch, Interruption)
        with pytest.raises(KeyboardInterrupt):
            run()
    return run()


class Termination(TrainerCallback):
    """Sends SIGTERM in the middle of step 3, which has no checkpoint of its own."""

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        if state.global_step == 2:
            os.kill(os.getpid(), signal.SIGTERM)


def metrics_equal(one, other):
    return (one.parent / "metrics.csv").read_bytes() == (other.parent / "metrics.csv").read_bytes()


def weights_equal(one, other):
    one, other = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


PINNED_LOSSES = {
    "pretrain": [4.192910, 4.233343, 3.868469, 4.037284],
    "sft": [4.587529, 4.189575, 3.848139, 3.738538],
    "rl": [0.0, 0.024788, 0.049145, 0.069901],
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


def terminate_once(monkeypatch, run):
    """Call `run` with a SIGTERM, then again without."""
    with monkeypatch.context() as patch:
        add_callback(patch, Termination)
        with pytest.raises(RuntimeError, match="stopped at step 3 of"):
            run()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    return run()


def test_terminated_training_keeps_its_state_and_goes_on(tmp_path, monkeypatch):
    whole = run_pretrain(tmp_path / "whole")
    resumed = terminate_once(monkeypatch, lambda: run_pretrain(tmp_path / "stopped"))
    assert weights_equal(whole, resumed)
    assert metrics_equal(whole, resumed)


def test_terminated_rl_goes_on_with_the_same_draws(tmp_path, base, rl_data, rewarded_opening, monkeypatch):
    whole = run_rl(tmp_path / "whole", base, rl_data, updates=6)
    resumed = terminate_once(monkeypatch, lambda: run_rl(tmp_path / "stopped", base, rl_data, updates=6))
    assert weights_equal(whole[-1], resumed[-1])
    assert metrics_equal(whole[-1], resumed[-1])


def truncate(checkpoint):
    file = checkpoint / "optimizer.pt"
    file.write_bytes(file.read_bytes()[:100])


def change_a_bit(checkpoint):
    file = checkpoint / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def lose_a_file(checkpoint):
    (checkpoint / "rng_state.pth").unlink()


def never_seal(checkpoint):
    (checkpoint / trainers.DIGESTS).unlink()


@pytest.mark.parametrize("damage", [truncate, change_a_bit, lose_a_file, never_seal])
def test_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, base, sft_data, monkeypatch, caplog, damage):
    whole = run_sft(tmp_path / "whole", base, sft_data, epochs=2)
    with monkeypatch.context() as patch:
        patch.setattr(sft, "keep_checkpoint", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_sft(tmp_path / "damaged", base, sft_data, epochs=2)
    checkpoints = sorted((tmp_path / "damaged" / "resume").glob("*/checkpoint-*"))
    assert [checkpoint.name for checkpoint in checkpoints] == [f"checkpoint-{step}" for step in (2, 4, 6, 8)]
    damage(checkpoints[2])
    assert trainers.find_last_checkpoint(checkpoints[0].parent) == checkpoints[1]
    assert f"{checkpoints[2]} is damaged: going on from checkpoint-4" in caplog.text
    with pytest.raises(RuntimeError, match="checkpoint-6: this checkpoint is damaged"):
        trainers.keep_checkpoint(checkpoints[2], tmp_path / "kept", None, {})
    resumed = run_sft(tmp_path / "damaged", base, sft_data, epochs=2)
    assert weights_equal(whole, resumed)
    assert metrics_equal(whole, resumed)


class FullDisk(TrainerCallback):
    """Lets no file grow beyond `size` bytes from step 3 on."""

    def __init__(self, size):
        self.limit = file_size_limit(size)

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 2:
            self.limit.__enter__()


@pytest.mark.parametrize("size", [5_000, 40_000], ids=["weights", "optimizer state"])
def test_checkpoint_that_does_not_fit_leaves_the_one_before(tmp_path, base, sft_data, monkeypatch, size):
    """Of 27 kB of weights and 70 kB of optimizer state, one or the other does not fit."""
    whole = run_sft(tmp_path / "whole", base, sft_data, epochs=2)
    full = FullDisk(size)
    with monkeypatch.context() as patch:
        add_callback(patch, full)
        with pytest.raises((OSError, RuntimeError, SafetensorError)):
            run_sft(tmp_path / "full", base, sft_data, epochs=2)
        full.limit.__exit__(None, None, None)
    [last] = (tmp_path / "full" / "resume").glob("*/checkpoint-*")
    assert last.name == "checkpoint-2"
    assert trainers.is_whole(last)
    assert weights_equal(whole, run_sft(tmp_path / "full", base, sft_data, epochs=2))


def test_training_state_that_holds_other_objects_is_not_unpickled(tmp_path, base, sft_data, monkeypatch):
    """Optimizer state is torch's own format, which can hold any object: it is read as tensors or not at all."""
    with monkeypatch.context() as patch:
        patch.setattr(sft, "keep_checkpoint", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_sft(tmp_path, base, sft_data, epochs=2)
    for checkpoint in (tmp_path / "resume").glob("*/checkpoint-*"):
        torch.save(Payload(tmp_path / "run"), checkpoint / "optimizer.pt")
        trainers.seal_checkpoint(checkpoint)
    with pytest.raises(pickle.UnpicklingError):
        run_sft(tmp_path, base, sft_data, epochs=2)
    assert not (tmp_path / "run").exists()


def test_two_jobs_do_not_train_in_one_resume_folder(tmp_path, base, sft_data, monkeypatch):
    """As when a job outlived the workflow that started it; the second leaves the first one's checkpoints alone."""
    plain = sft.SFTTrainer.train

    def train_beside_another(trainer, **arguments):
        folder = Path(trainer.args.output_dir).parent
        with (
            pytest.raises(RuntimeError, match=f"^{folder}: another process is training here"),
            trainers.lock_folder(folder),
        ):
            pass
        return plain(trainer, **arguments)

    monkeypatch.setattr(sft.SFTTrainer, "train", train_beside_another)
    run_sft(tmp_path, base, sft_data)
    with trainers.lock_folder(tmp_path / "resume"):
        pass


def test_checkpoint_that_is_being_written_is_never_resumed_from(tmp_path):
    (tmp_path / trainers.WRITING / "checkpoint-8").mkdir(parents=True)
    assert trainers.find_last_checkpoint(tmp_path) is None


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
    tokenizer = create_tokenizer(ORDER)
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


def test_state_of_other_settings_or_inputs_is_not_resumed(tmp_path):
    spec = make_sft_spec()
    folder = trainers.find_resume_folder(tmp_path, spec, {"data": "1"})
    assert folder == trainers.find_resume_folder(tmp_path, spec, {"data": "1"})
    assert folder != trainers.find_resume_folder(tmp_path, spec, {"data": "2"})
    assert folder != trainers.find_resume_folder(tmp_path, make_sft_spec(learning_rate=0.5), {"data": "1"})


def test_reward_is_the_verdict_and_metrics_are_by_kind_and_steps(rl_data):
    rows = read_rows(rl_data / "train.jsonl")
    tokenizer = create_tokenizer(ORDER)
    metrics = {}
    right = [
        encode_completion(tokenizer, TEXT.write_completion(STRATEGIES["forward"](row["problem"]), row["problem"].field))
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


def test_prompt_schedule_covers_the_run_and_uses_every_prompt_each_pass(rl_data):
    rows = read_rows(rl_data / "train.jsonl")
    spec = make_rl_spec(updates=9)
    schedule = grpo.schedule_prompts(spec, rows)
    order = schedule["row"]
    assert len(order) == 36
    assert sorted(order[:16]) == sorted(order[16:32]) == list(range(16))
    assert order[:16] != order[16:32]
    assert [rows[index]["prompt"] for index in order] == schedule["prompt"]


def test_bad_loss_stops_the_run():
    state = type("State", (), {"global_step": 7})
    with pytest.raises(FloatingPointError, match="nan at step 7"):
        trainers.StopOnBadLoss().on_log(None, state, None, logs={"loss": float("nan")})


class BadNumbers(TrainerCallback):
    """Makes the weights, or the gradient alone, no numbers from step 4 on."""

    def __init__(self, where):
        self.where = where

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        if state.global_step == 3:
            weight = model.model.norm.weight
            if self.where == "loss":
                torch.nn.init.constant_(weight, float("inf"))
            else:
                weight.register_hook(lambda gradient: gradient * float("nan"))


@pytest.mark.parametrize("where", ["loss", "norm of the gradient"])
def test_bad_number_stops_the_run_and_the_last_good_checkpoint_is_kept(tmp_path, base, sft_data, monkeypatch, where):
    whole = run_sft(tmp_path / "whole", base, sft_data, epochs=2)
    with monkeypatch.context() as patch:
        add_callback(patch, BadNumbers(where))
        with pytest.raises(FloatingPointError, match=f"the {where} is nan at step 4; lower the learning rate"):
            run_sft(tmp_path / "bad", base, sft_data, epochs=2)
    [last] = (tmp_path / "bad" / "resume").glob("*/checkpoint-*")
    assert last.name == "checkpoint-2"
    assert weights_equal(whole, run_sft(tmp_path / "bad", base, sft_data, epochs=2))


def test_weights_that_give_no_number_stop_training(tmp_path, base, sft_data):
    """transformers leaves losses that are not finite out of its log unless told otherwise."""
    model = load_model(str(base))
    torch.nn.init.constant_(model.model.norm.weight, float("nan"))
    model.save_pretrained(base)
    with pytest.raises(FloatingPointError, match="nan at step 1"):
        run_sft(tmp_path / "sft", base, sft_data)
    assert not list(tmp_path.rglob("checkpoint-*"))
    assert not (tmp_path / "sft" / "step0").exists()


class LittleMemory(TrainerCallback):
    """From step 4 on, holds no micro-batch of more than `rows` rows."""

    def __init__(self, rows):
        self.rows = rows

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 3 and args.per_device_train_batch_size > self.rows:
            torch.empty(2**60)  # for torch's own error


def test_training_goes_on_in_smaller_micro_batches_when_memory_runs_out(
    tmp_path, base, sft_data, rl_data, rewarded_opening, monkeypatch, caplog
):
    def run(folder):
        return [
            run_sft(folder / "sft", base, sft_data, epochs=2),
            run_rl(folder / "rl", base, rl_data, updates=6)[-1],
        ]

    caplog.set_level(logging.INFO, trainers.__name__)
    whole = run(tmp_path / "whole")
    assert "out of memory" not in caplog.text
    add_callback(monkeypatch, LittleMemory(2))
    smaller = run(tmp_path / "smaller")
    assert re.findall(r"out of memory: on with (\d+) rows", caplog.text) == ["4", "2", "4", "2"]
    assert caplog.text.count("going on from") == 4
    for one, other in zip(whole, smaller, strict=True):
        losses = [pd.read_csv(model.parent / "metrics.csv")["loss"].tolist() for model in (one, other)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-3, abs=1e-5)
        weights = [load_file(model / "model.safetensors") for model in (one, other)]
        torch.testing.assert_close(*weights, atol=1e-4, rtol=1e-3)
    add_callback(monkeypatch, LittleMemory(0))
    with pytest.raises(RuntimeError, match="allocate memory"):
        run(tmp_path / "too_little")
    with pytest.raises(RuntimeError, match="allocate memory"):
        trainers.train_within_memory(lambda rows: torch.empty(2**60), 8, processes=2)


def test_evaluation_fills_every_column(tmp_path, base, rl_data):
    spec = EvaluationSpec(
        "FB_rl", "FB", "rl_2_3", (2, 4), make_suite(completions_per_problem=2), "symbolic", threads=1, seed=0
    )
    tables = []
    for name in ("one", "two"):
        evaluate(spec, [base, save_model(tmp_path / "other", seed=1)], rl_data / "test.jsonl", tmp_path / name)
        tables.append(read_scores([tmp_path / name]))
    table = tables[0]
    pd.testing.assert_frame_equal(*tables)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    record = read_record(tmp_path / "one")
    assert build_spec(EvaluationSpec, record["spec"]) == spec
    inputs = [rl_data / "test.jsonl", rl_data / "field.json", base, tmp_path / "other"]
    assert record["inputs"] == {str(path): digest_path(path) for path in inputs}
    assert list(table) == list(COLUMNS)
    assert len(table) == 2 * 12 * 2
    assert set(table["checkpoint_step"]) == {2, 4}
    assert set(table.loc[table["checkpoint_step"] == 2, "checkpoint_digest"]) == {digest_checkpoint(base)}
    assert table.groupby(["checkpoint_step", "problem_id"])["sample"].apply(list).map(lambda x: x == [0, 1]).all()
    assert (table["correct"] | table["failure"].notna()).all()
    rows = {row["id"]: row for row in read_rows(rl_data / "test.jsonl")}
    assert set(table["problem_id"]) == set(rows)
    assert all(rows[row.problem_id]["kind"] == row.kind for row in table.itertuples())


def test_forced_completions_open_as_they_are_made_to(tmp_path, base, rl_data):
    suite = make_suite(problems=5, completions_per_problem=3, forced_strategies=("forward", "backward"))
    spec = EvaluationSpec("FB_rl", "FB", "rl_2_3", (4,), suite, "symbolic", threads=1, seed=0)
    evaluate(spec, [base], rl_data / "test.jsonl", tmp_path / "scores")
    table = read_scores([tmp_path / "scores"])
    assert list(table["problem_id"].unique()) == [f"rl_2_3/test/0/{index}" for index in range(5)]
    assert table.groupby("forced_strategy").size().to_dict() == {"forward": 15, "backward": 15}
    assert (table["completion"].str[0] == table["forced_strategy"].map({"forward": "x", "backward": "y"})).all()
    assert table["strategy"].isin(["none", "forward", "backward"]).all()
    assert table["tokens"].between(1, 20).all()
    opened = table[table["strategy"] != "none"]
    assert (opened["strategy"] == opened["forced_strategy"]).all()


def test_checkpoint_changed_after_it_was_made_is_not_used(tmp_path, sft_data, rl_data):
    base = run_pretrain(tmp_path / "pretrain")
    change_a_bit(base)
    spec = EvaluationSpec("FB", "FB", "sft", (0,), make_suite(), "symbolic", threads=1, seed=0)
    for use in (
        lambda: run_sft(tmp_path / "sft", base, sft_data),
        lambda: run_rl(tmp_path / "rl", base, rl_data),
        lambda: evaluate(spec, [base], rl_data / "test.jsonl", tmp_path / "scores"),
    ):
        with pytest.raises(ValueError, match="model is damaged: its files are not those that provenance.json"):
            use()
    assert not list(tmp_path.rglob("step*"))
    assert not (tmp_path / "scores").exists()
