"""Trackers get the curves of a training while it runs, and change no byte of what it makes."""

import json
import sys
from collections import defaultdict

import needs
import pandas as pd
import pytest
from configurations import SCHEMA
from stages import interrupt_once, run_pretrain, run_rl, run_sft
from stand_ins import write_tracker
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from selectimprove.training.trainers import Curves

TRACKERS = SCHEMA["properties"]["execution"]["properties"]["report_to"]["items"]["enum"]


def read_lines(folder):
    """Return what the stand-in was told: {name: [(step, value), ...]}."""
    curves = defaultdict(list)
    for file in sorted(folder.iterdir()):
        for line in file.read_text().splitlines():
            name, step, value = json.loads(line)
            curves[name].append((step, value))
    return curves


def read_events(folder):
    """Return the same of TensorBoard's files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


@pytest.fixture(params=["stand-in", "tensorboard"])
def read_curves(request, tmp_path, monkeypatch):
    """Have a tracker at hand; return the function that reads its folder."""
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "")  # so that what a training sets is undone
    if request.param == "tensorboard":
        needs.require("tensorboard")
        yield read_events
        return
    names = ("tensorboard", "tensorboardX", "torch.utils.tensorboard")
    others = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    monkeypatch.syspath_prepend(write_tracker(tmp_path / "packages"))
    yield read_lines
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(others)


def read_files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("stage", ["pretrain", "sft", "rl"])
def test_tracker_gets_the_curves_and_changes_no_byte(
    tmp_path, base, sft_data, rl_data, rewarded_opening, read_curves, stage
):
    run = {
        "pretrain": run_pretrain,
        "sft": lambda folder, curves: run_sft(folder, base, sft_data, curves),
        "rl": lambda folder, curves: run_rl(folder, base, rl_data, curves),
    }[stage]
    folder = tmp_path / "results/tiny/tensorboard" / stage / "name/seed0"
    run(tmp_path / "plain", None)
    assert not folder.exists()
    run(tmp_path / "tracked", Curves(["tensorboard"], folder))
    assert read_files(tmp_path / "tracked") == read_files(tmp_path / "plain")
    metrics = pd.read_csv(tmp_path / "tracked/metrics.csv")
    curves = read_curves(folder)
    for name in ["loss", "reward"] if stage == "rl" else ["loss"]:
        steps, values = zip(*curves[f"train/{name}"], strict=True)
        assert list(steps) == metrics["step"].tolist()
        assert values == pytest.approx(metrics[name].tolist(), rel=1e-6)


def test_curves_go_on_where_training_does_and_begin_anew_with_it(tmp_path, read_curves, monkeypatch):
    folder = tmp_path / "curves"
    curves = Curves(["tensorboard"], folder)
    interrupt_once(monkeypatch, lambda: run_pretrain(tmp_path / "interrupted", curves))
    assert len(list(folder.iterdir())) == 2  # of steps 1 and 2, and of 3 and 4
    whole = read_curves(folder)["train/loss"]
    assert [step for step, _ in whole] == [1, 2, 3, 4]
    run_pretrain(tmp_path / "other", curves, learning_rate=0.1)
    assert len(list(folder.iterdir())) == 1
    other = read_curves(folder)["train/loss"]
    assert [step for step, _ in other] == [1, 2, 3, 4]
    assert other != whole


def test_trackers_are_known_to_transformers_and_begin_with_training():
    """Some begin when a trainer is made, before it has its trackers: these are left out."""
    assert set(TRACKERS) < set(INTEGRATION_TO_CALLBACK)
    for tracker in TRACKERS:
        assert {"on_train_begin", "on_log"} <= set(vars(INTEGRATION_TO_CALLBACK[tracker]))
        assert "on_init_end" not in vars(INTEGRATION_TO_CALLBACK[tracker])
