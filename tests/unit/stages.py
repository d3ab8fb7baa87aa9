"""Calls of the training stages on tiny models, undisturbed or interrupted, for the tests."""

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import (
    make_pretrain_spec,
    make_rl_spec,
    make_sft_spec,
)
from transformers import TrainerCallback

from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.training import grpo, pretrain, sft, trainers

TEXT = SymbolicText()


def run_pretrain(folder, curves=None, **changes):
    spec = make_pretrain_spec(**changes)
    pretrain.train(spec, folder / "model", folder / "metrics.csv", folder / "resume", curves)
    return folder / "model"


def run_sft(folder, base, data, curves=None, **changes):
    spec = make_sft_spec(**changes)
    sft.train(spec, str(base), data, folder / "step0", folder / "metrics.csv", folder / "resume", curves)
    return folder / "step0"


def run_rl(folder, start, data, curves=None, **changes):
    spec = make_rl_spec(**changes)
    folders = [folder / f"step{step}" for step in spec.checkpoint_steps]
    grpo.train(spec, start, data / "train.jsonl", folders, folder / "metrics.csv", folder / "resume", curves)
    return folders


class Interruption(TrainerCallback):
    """Stands for a kill: stops training after step 3, one step past a checkpoint."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 3:
            raise KeyboardInterrupt


def add_callback(patch, callback):
    """Have every trainer call `callback`."""
    plain = trainers.run_trainer
    for module in (pretrain, trainers):
        patch.setattr(
            module, "run_trainer", lambda trainer, *rest: (trainer.add_callback(callback), plain(trainer, *rest))
        )


def interrupt_once(monkeypatch, run):
    """Call `run` with an interruption, then again without."""
    with monkeypatch.context() as patch:
        add_callback(patch, Interruption)
        with pytest.raises(KeyboardInterrupt):
            run()
    return run()


def metrics_equal(one, other):
    return (one.parent / "metrics.csv").read_bytes() == (other.parent / "metrics.csv").read_bytes()


def weights_equal(one, other):
    one, other = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def change_a_bit(checkpoint):
    file = checkpoint / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
