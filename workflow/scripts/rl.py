"""Train with GRPO from a checkpoint."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import RLSpec, read_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, type=Path, help="RLSpec as JSON")
    parser.add_argument("--start", required=True, type=Path, help="checkpoint to start from")
    parser.add_argument("--train", required=True, type=Path, help="JSON Lines of training prompts")
    parser.add_argument("--checkpoints", required=True, type=Path, help="folder for step<k>, one a kept checkpoint")
    parser.add_argument("--metrics", required=True, type=Path, help="CSV of every step")
    parser.add_argument("--resume", required=True, type=Path, help="folder for checkpoints to resume from")
    parser.add_argument(
        "--report-to", nargs="+", default=[], metavar="TRACKER", help="those that draw curves meanwhile"
    )
    parser.add_argument("--curves", type=Path, help="folder for TensorBoard's files")
    arguments = parser.parse_args()

    from selectimprove.training import grpo, trainers

    spec = read_spec(RLSpec, arguments.spec)
    trainers.prepare_process(spec.threads, spec.processes)
    curves = trainers.Curves(arguments.report_to, arguments.curves) if arguments.report_to else None
    folders = [arguments.checkpoints / f"step{step}" for step in spec.checkpoint_steps]
    grpo.train(spec, arguments.start, arguments.train, folders, arguments.metrics, arguments.resume, curves)


if __name__ == "__main__":
    main()
