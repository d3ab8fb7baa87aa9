"""Fine-tune the base model on written solutions."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import SFTSpec, parse_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="SFTSpec as JSON")
    parser.add_argument("--base", required=True, help="folder or hub id of the base model")
    parser.add_argument("--data", required=True, type=Path, help="folder of the data set")
    parser.add_argument("--checkpoints", required=True, type=Path, help="folder for step0, where RL starts")
    parser.add_argument("--metrics", required=True, type=Path, help="CSV of every update")
    parser.add_argument("--resume", required=True, type=Path, help="folder for checkpoints to resume from")
    parser.add_argument("--micro-batches", type=int, default=1, help="parts in which a batch passes through the model")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    from selectimprove.training import sft, trainers

    trainers.prepare_process(arguments.threads)
    spec = parse_spec(SFTSpec, arguments.spec)
    folder = arguments.checkpoints / "step0"
    sft.train(
        spec, arguments.base, arguments.data, folder, arguments.metrics, arguments.resume, arguments.micro_batches
    )


if __name__ == "__main__":
    main()
