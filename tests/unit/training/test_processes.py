"""Processes and micro-batches: the same rows in the same order, and the same weights but for rounding."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tiny_models import RL_DATA, SFT_DATA, make_rl_spec, make_sft_spec, save_data, save_model

from selectimprove.experiment.specs import dump_spec
from selectimprove.provenance.records import digest_checkpoint

ROOT = Path(__file__).parents[3]
LAUNCH = [*("-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--num_processes", "2")]
LAUNCH += ["--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no"]


def run(monkeypatch, *command):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "workflow/src"))
    process = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr


def assert_same_training(one: Path, other: Path, checkpoint: str, start: Path):
    losses = [pd.read_csv(folder / "metrics.csv")["loss"].tolist() for folder in (one, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4, abs=1e-6)
    before, *after = (
        load_file(folder / "model.safetensors") for folder in (start, one / checkpoint, other / checkpoint)
    )
    for name, weight in before.items():
        assert (after[0][name] - weight).abs().max() > 1e-2
        torch.testing.assert_close(after[0][name], after[1][name], atol=1e-4, rtol=1e-3)


def test_sft_in_two_processes_and_micro_batches(tmp_path, monkeypatch):
    base, data = save_model(tmp_path / "base"), save_data(tmp_path / "data", SFT_DATA)
    ways = {"one": ([], make_sft_spec()), "two": (LAUNCH, make_sft_spec(processes=2, sft_micro_batches=2))}
    for name, (launch, spec) in ways.items():
        folder, spec_file = tmp_path / name, tmp_path / f"{name}.json"
        spec_file.write_text(dump_spec(spec))
        arguments = {"spec": spec_file, "base": base, "data": data, "checkpoints": folder}
        arguments |= {"metrics": folder / "metrics.csv", "resume": folder / "resume"}
        flags = [word for key, value in arguments.items() for word in (f"--{key}", value)]
        run(monkeypatch, *launch, ROOT / "workflow/scripts/sft.py", *flags)
        record = json.loads((folder / "step0" / "provenance.json").read_text())
        assert record["digest"] == digest_checkpoint(folder / "step0")
        assert not (folder / "resume").exists()
    assert_same_training(tmp_path / "one", tmp_path / "two", "step0", base)


def test_rl_in_two_processes(tmp_path, monkeypatch):
    start, data = save_model(tmp_path / "start"), save_data(tmp_path / "data", RL_DATA)
    for processes, (name, launch) in enumerate({"one": [], "two": LAUNCH}.items(), 1):
        spec = dump_spec(make_rl_spec(processes=processes))
        command = [ROOT / "tests/unit/rl_process.py", spec, start, data / "train.jsonl"]
        run(monkeypatch, *launch, *command, tmp_path / name)
    together = json.loads((tmp_path / "one" / "rows0.json").read_text())
    halves = [json.loads((tmp_path / "two" / f"rows{rank}.json").read_text()) for rank in (0, 1)]
    assert together == [first + second for first, second in zip(*halves, strict=True)]
    assert_same_training(tmp_path / "one", tmp_path / "two", "step4", start)
