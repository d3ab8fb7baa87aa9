"""Measure how often a checkpoint is right on each training problem of a data set."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import PassRateSpec, read_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, type=Path, help="PassRateSpec as JSON")
    parser.add_argument("--checkpoint", required=True, type=Path, help="folder of the checkpoint")
    parser.add_argument("--train", required=True, type=Path, help="JSON Lines of training problems")
    parser.add_argument("--output", required=True, type=Path, help="Parquet table, one row a problem")
    arguments = parser.parse_args()

    from selectimprove.measurement import pass_rates
    from selectimprove.training import trainers

    spec = read_spec(PassRateSpec, arguments.spec)
    trainers.prepare_process(spec.threads)
    pass_rates.measure_pass_rates(spec, arguments.checkpoint, arguments.train, arguments.output)


if __name__ == "__main__":
    main()
