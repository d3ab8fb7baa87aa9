"""What the stages share: processes as the spec says, numbers that are none, and too little memory."""

import logging
import os
import re
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from stages import add_callback, run_rl, run_sft, weights_equal
from transformers import TrainerCallback

from selectimprove.training import trainers
from selectimprove.training.models import load_model


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
        trainers.train_within_memory(lambda rows: torch.empty(2**60), 8, 2, {})


def test_other_number_of_processes_than_the_spec_says_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(RuntimeError, match=r"^3 processes were started \(WORLD_SIZE\), but the spec says 2$"):
        trainers.prepare_process(threads=1, processes=2)


PROCESS = """
import sys, time
from selectimprove.training import trainers
trainers.TOUCHED_EVERY = 0.1
trainers.prepare_process(threads=1)
sys.stdin.read()
"""


def test_log_is_touched_while_a_process_lives(tmp_path):
    log = tmp_path / "job.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen([sys.executable, "-c", PROCESS], stdin=subprocess.PIPE, stderr=stderr)
    with process:
        for _ in range(2):
            os.utime(log, (0, 0))
            started = time.monotonic()
            while not log.stat().st_mtime and time.monotonic() - started < 60:
                time.sleep(0.05)
            assert time.time() - log.stat().st_mtime < 5
    assert (process.returncode, log.read_bytes()) == (0, b"")


def test_process_whose_stderr_is_no_file_is_prepared_as_well():
    process = subprocess.run([sys.executable, "-c", PROCESS], input=b"", stderr=subprocess.PIPE, check=True)
    assert process.stderr == b""
