# snakemake --cores all data results/tiny/sft/FB/seed0/checkpoints && python benchmarks/rl_step.py
"""One RL step, ours against TRL's stock GRPOTrainer with the same settings: 32 problems of 6-9 steps x 8 completions.

Both trainers start from the SFT model FB, each with its own copy of the weights, and train in turns of a few steps in
this one process on one thread. A step is everything from sampling to the optimizer's update; figures are medians.
"""

import argparse
import dataclasses
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import yaml
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOTrainer

from selectimprove.experiment.config import load_experiment
from selectimprove.tasks.data import read_rows
from selectimprove.training import grpo
from selectimprove.training.trainers import prepare_process

ROOT = Path(__file__).parents[1]
STEPS_A_TURN = 3  # the first of a turn, which warms up, is left out


class StepClock(TrainerCallback):
    """Keeps the seconds of each step."""

    def __init__(self):
        self.seconds = []

    def on_step_begin(self, args, state, control, **kwargs):
        self.started = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step > 1:
            self.seconds.append(time.perf_counter() - self.started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("results/tiny/sft/FB/seed0/checkpoints/step0"))
    parser.add_argument("--prompts", type=Path, default=Path("results/tiny/data/rl_6_9/seed0/train.jsonl"))
    parser.add_argument("--turns", type=int, default=4)
    arguments = parser.parse_args()
    prepare_process(threads=1)
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    experiment = load_experiment(yaml.safe_load((ROOT / "config.yaml").read_text()), schema)
    declared = experiment.make_rl_spec("FB_rl_6_9", 0)
    spec = dataclasses.replace(declared, updates=STEPS_A_TURN, checkpoint_every=STEPS_A_TURN + 1)
    rows = read_rows(arguments.prompts)
    clocks = {"stock": StepClock(), "ours": StepClock()}
    with tempfile.TemporaryDirectory() as folder:
        trainers = {
            "stock": grpo.make_trainer(spec, arguments.checkpoint, rows, Path(folder) / "stock", GRPOTrainer),
            "ours": grpo.make_trainer(spec, arguments.checkpoint, rows, Path(folder) / "ours"),
        }
        for name, trainer in trainers.items():
            trainer.remove_callback(PrinterCallback)
            trainer.add_callback(clocks[name])
        for turn in range(1, arguments.turns + 1):
            for trainer in trainers.values():
                trainer.train()
            shown = ", ".join(f"{name} {statistics.median(clock.seconds):.2f} s" for name, clock in clocks.items())
            print(f"after turn {turn}: median step {shown}", flush=True)
    seconds = {name: statistics.median(clock.seconds) for name, clock in clocks.items()}
    result = {"ratio": round(seconds["stock"] / seconds["ours"], 2)}
    result |= {f"{name}_seconds": round(value, 3) for name, value in seconds.items()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
