# python benchmarks/pretrain.py
"""One update of pretraining, ours against TRL's stock SFTTrainer with the same settings, batches and optimizer.

Both trainers start from the same weights, each with its own copy, and train in turns of a few updates in this one
process on one thread. Figures are medians.
"""

import dataclasses
import json
import tempfile
from pathlib import Path

from setup import STEPS_A_TURN, compare_trainers, prepare  # first: it sets the environment of the libraries
from trl import SFTTrainer

from selectimprove.commands.doctor import load_preset
from selectimprove.training import pretrain


def main() -> None:
    arguments = prepare(__doc__, "--turns", 8, preset=None)
    declared = load_preset("tiny").make_pretrain_spec("gf11", 0)
    spec = dataclasses.replace(declared, updates=STEPS_A_TURN, checkpoint_every=STEPS_A_TURN + 1)
    with tempfile.TemporaryDirectory() as folder:
        trainers = {
            "stock": pretrain.make_trainer(spec, Path(folder) / "stock", SFTTrainer),
            "ours": pretrain.make_trainer(spec, Path(folder) / "ours"),
        }
        print(json.dumps(compare_trainers(trainers, arguments.turns)))


if __name__ == "__main__":
    main()
