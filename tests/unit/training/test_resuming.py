"""Training that is stopped goes on from its last whole checkpoint, and from no other state."""

import errno
import logging
import os
import pickle
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch
from broken_disk import file_size_limit
from safetensors import SafetensorError
from stages import add_callback, change_a_bit, metrics_equal, run_pretrain, run_rl, run_sft, weights_equal
from tiny_models import (
    Payload,
    make_sft_spec,
)
from transformers import TrainerCallback

from selectimprove.training import sft, trainers


class Termination(TrainerCallback):
    """Sends SIGTERM in the middle of step 3, which has no checkpoint of its own."""

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        if state.global_step == 2:
            os.kill(os.getpid(), signal.SIGTERM)


def terminate(monkeypatch, run):
    """Call `run` with a SIGTERM and return what it said."""
    with monkeypatch.context() as patch:
        add_callback(patch, Termination)
        with pytest.raises(RuntimeError, match="stopped at step 3 of") as stopped:
            run()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    return str(stopped.value)


def terminate_once(monkeypatch, run):
    """Call `run` with a SIGTERM, then again without."""
    terminate(monkeypatch, run)
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


@pytest.mark.parametrize("stage", ["pretrain", "sft", "rl"])
def test_metrics_so_far_lie_beside_the_checkpoints(
    tmp_path, base, sft_data, rl_data, rewarded_opening, monkeypatch, caplog, stage
):
    """Not under the name of the output, which Snakemake takes as whole: that appears at the end, as if undisturbed."""
    run = {
        "pretrain": run_pretrain,
        "sft": lambda folder: run_sft(folder, base, sft_data, epochs=2),
        "rl": lambda folder: run_rl(folder, base, rl_data, updates=6),
    }[stage]
    caplog.set_level(logging.INFO, trainers.__name__)
    run(tmp_path / "whole")
    whole = (tmp_path / "whole/metrics.csv").read_text().splitlines()
    seen = []

    class Look(TrainerCallback):
        """Reads the file in the middle of each step."""

        def on_step_begin(self, args, state, control, **kwargs):
            files = list((tmp_path / "stopped/resume").glob("*/metrics.csv"))
            seen.append((state.global_step, [file.read_text().splitlines() for file in files]))

    with monkeypatch.context() as patch:
        add_callback(patch, Look)
        told = terminate(monkeypatch, lambda: run(tmp_path / "stopped"))
        assert seen == [(0, []), (1, []), (2, [whole[:3]])]
        [file] = (tmp_path / "stopped/resume").glob("*/metrics.csv")
        assert file.read_text().splitlines() == whole[:4]
        assert told.endswith(f"; its metrics so far are in {file}")
        assert f"metrics so far: {file}" in caplog.text
        assert not (tmp_path / "stopped/metrics.csv").exists()
        run(tmp_path / "stopped")
    assert seen[-1] == (len(whole) - 2, [whole[: len(seen[-1][1][0])]])
    assert (tmp_path / "stopped/metrics.csv").read_bytes() == (tmp_path / "whole/metrics.csv").read_bytes()
    assert not (tmp_path / "stopped/resume").exists()


@pytest.mark.parametrize("end", [KeyboardInterrupt, FloatingPointError])
def test_metrics_reach_to_where_training_ended_otherwise(tmp_path, base, sft_data, monkeypatch, end):
    """By Ctrl-C or a fault, a step past the last checkpoint."""

    class End(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 3:
                raise end

    add_callback(monkeypatch, End)
    with pytest.raises(end):
        run_sft(tmp_path, base, sft_data, epochs=2)
    [file] = (tmp_path / "resume").glob("*/metrics.csv")
    assert pd.read_csv(file)["step"].tolist() == [1, 2, 3]


def test_training_that_ends_before_its_first_step_leaves_no_metrics(tmp_path, base, sft_data, monkeypatch):
    class End(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            raise KeyboardInterrupt

    add_callback(monkeypatch, End)
    with pytest.raises(KeyboardInterrupt):
        run_sft(tmp_path, base, sft_data)
    assert not list(tmp_path.rglob("metrics.csv"))


def truncate(checkpoint):
    file = checkpoint / "optimizer.pt"
    file.write_bytes(file.read_bytes()[:100])


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


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_training_goes_on_where_the_file_system_has_no_locks(number, tmp_path, base, sft_data, monkeypatch, caplog):
    def refuse(file, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(trainers.fcntl, "flock", refuse)
    assert run_sft(tmp_path, base, sft_data).is_dir()
    assert f"cannot be locked ({os.strerror(number)}): let no other process train here" in caplog.text


def test_checkpoint_that_is_being_written_is_never_resumed_from(tmp_path):
    (tmp_path / trainers.WRITING / "checkpoint-8").mkdir(parents=True)
    assert trainers.find_last_checkpoint(tmp_path) is None


def test_state_of_other_settings_or_inputs_is_not_resumed(tmp_path):
    spec = make_sft_spec()
    folder = trainers.find_resume_folder(tmp_path, spec, {"data": "1"})
    assert folder == trainers.find_resume_folder(tmp_path, spec, {"data": "1"})
    assert folder != trainers.find_resume_folder(tmp_path, spec, {"data": "2"})
    assert folder != trainers.find_resume_folder(tmp_path, make_sft_spec(learning_rate=0.5), {"data": "1"})
