"""What the benchmarks of models share: a trained checkpoint, prompts, trainers in turns, one thread, no network."""

import argparse
import os
import statistics
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported

from transformers import PrinterCallback, Trainer, TrainerCallback

from selectimprove.training.trainers import prepare_process

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


def compare_trainers(trainers: dict[str, Trainer], turns: int) -> dict[str, float]:
    """Return the median seconds of a step of the trainers "stock" and "ours", in turns, and what ours gains."""
    clocks = {name: StepClock() for name in trainers}
    for name, trainer in trainers.items():
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(clocks[name])
    for turn in range(1, turns + 1):
        for trainer in trainers.values():
            trainer.train()
        seconds = {name: statistics.median(clock.seconds) for name, clock in clocks.items()}
        shown = ", ".join(f"{name} {value:.3f} s" for name, value in seconds.items())
        print(f"after turn {turn}: median step {shown}", flush=True)
    result = {"ratio": round(seconds["stock"] / seconds["ours"], 2)}
    return result | {f"{name}_seconds": round(value, 3) for name, value in seconds.items()}


def prepare(description: str, option: str, default: int, preset: str | None = "tiny") -> argparse.Namespace:
    """Read the command line, with one option of the benchmark's own, a count, and set this process up.

    preset: whose trained checkpoint and prompts the benchmark takes, unless told otherwise; None: it takes none.
    """
    parser = argparse.ArgumentParser(description=description)
    if preset:
        results = Path("results") / preset
        parser.add_argument("--checkpoint", type=Path, default=results / "sft/FB/seed0/checkpoints/step0")
        parser.add_argument("--prompts", type=Path, default=results / "data/rl_6_9/seed0/train.jsonl")
    parser.add_argument(option, type=int, default=default)
    prepare_process(threads=1)
    return parser.parse_args()
