"""Fine-tune the base model on written solutions."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import SFTSpec, read_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, type=Path, help="SFTSpec as JSON")
    parser.add_argument("--base", required=True, help="folder or hub id of the base model")
    parser.add_argument("--data", required=True, type=Path, help="folder of the data set")
    parser.add_argument("--checkpoints", required=True, type=Path, help="folder for step0, where RL starts")
    parser.add_argument("--metrics", required=True, type=Path, help="CSV of every update")
    parser.add_argument("--resume", required=True, type=Path, help="folder for checkpoints to resume from")
    parser.add_argument(
        "--report-to", nargs="+", default=[], metavar="TRACKER", help="those that draw curves meanwhile"
    )
    parser.add_argument("--curves", type=Path, help="folder for TensorBoard's files")
    arguments = parser.parse_args()

    from selectimprove.training import sft, trainers

    spec = read_spec(SFTSpec, arguments.spec)
    trainers.prepare_process(spec.threads, spec.processes)
    curves = trainers.Curves(arguments.report_to, arguments.curves) if arguments.report_to else None
    folder = arguments.checkpoints / "step0"
    sft.train(spec, arguments.base, arguments.data, folder, arguments.metrics, arguments.resume, curves)


if __name__ == "__main__":
    main()
