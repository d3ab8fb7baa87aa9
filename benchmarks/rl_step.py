# snakemake --cores all data results/tiny/sft/FB/seed0/checkpoints && python benchmarks/rl_step.py
"""One RL step, ours against TRL's stock GRPOTrainer with the same settings: 32 problems of 6-9 steps x 8 completions.

Both trainers start from the SFT model FB, each with its own copy of the weights, and train in turns of a few steps in
this one process on one thread. A step is everything from sampling to the optimizer's update; figures are medians.
"""

import dataclasses
import json
import tempfile
from pathlib import Path

from setup import STEPS_A_TURN, compare_trainers, prepare  # first: it sets the environment of the libraries
from trl import GRPOTrainer

from selectimprove.commands.doctor import load_preset
from selectimprove.tasks.data import read_rows
from selectimprove.training import grpo


def main() -> None:
    arguments = prepare(__doc__, "--turns", 4)
    declared = load_preset("tiny").make_rl_spec("FB_rl_6_9", 0)
    spec = dataclasses.replace(declared, updates=STEPS_A_TURN, checkpoint_every=STEPS_A_TURN + 1)
    rows = read_rows(arguments.prompts)
    with tempfile.TemporaryDirectory() as folder:
        trainers = {
            "stock": grpo.make_trainer(spec, arguments.checkpoint, rows, Path(folder) / "stock", GRPOTrainer),
            "ours": grpo.make_trainer(spec, arguments.checkpoint, rows, Path(folder) / "ours"),
        }
        print(json.dumps(compare_trainers(trainers, arguments.turns)))


if __name__ == "__main__":
    main()
