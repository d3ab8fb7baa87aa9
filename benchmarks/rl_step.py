# snakemake --cores all data results/tiny/sft/FB/seed0/checkpoints && python benchmarks/rl_step.py
"""One RL step, ours against TRL's stock GRPOTrainer with the same settings: 32 problems of 6-9 steps x 8 completions.

Both trainers start from the SFT model FB, each with its own copy of the weights, and train in turns of a few steps in
this one process on one thread. A step is everything from sampling to the optimizer's update; figures are medians.
"""

import dataclasses
import json
import statistics
import tempfile
import time
from pathlib import Path

from setup import prepare  # first: it sets the environment of the libraries
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOTrainer

from selectimprove.commands.doctor import load_preset
from selectimprove.tasks.data import read_rows
from selectimprove.training import grpo

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
    arguments = prepare(__doc__, "--turns", 4)
    declared = load_preset("tiny").make_rl_spec("FB_rl_6_9", 0)
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
