"""Pretrain the tiny base model."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import PretrainSpec, read_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, type=Path, help="PretrainSpec as JSON")
    parser.add_argument("--checkpoint", required=True, type=Path, help="folder for the base model")
    parser.add_argument("--metrics", required=True, type=Path, help="CSV of every update")
    parser.add_argument("--resume", required=True, type=Path, help="folder for checkpoints to resume from")
    parser.add_argument(
        "--report-to", nargs="+", default=[], metavar="TRACKER", help="those that draw curves meanwhile"
    )
    parser.add_argument("--curves", type=Path, help="folder for TensorBoard's files")
    arguments = parser.parse_args()

    from selectimprove.training import pretrain, trainers

    spec = read_spec(PretrainSpec, arguments.spec)
    trainers.prepare_process(spec.threads)
    curves = trainers.Curves(arguments.report_to, arguments.curves) if arguments.report_to else None
    pretrain.train(spec, arguments.checkpoint, arguments.metrics, arguments.resume, curves)


if __name__ == "__main__":
    main()
