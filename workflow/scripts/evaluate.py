"""Evaluate the kept checkpoints of a run on a suite."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import EvaluationSpec, read_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, type=Path, help="EvaluationSpec as JSON")
    parser.add_argument("--checkpoints", required=True, type=Path, help="folder of step<k>")
    parser.add_argument("--test", required=True, type=Path, help="JSON Lines of held-out problems")
    parser.add_argument("--output", required=True, type=Path, help="Parquet table, one row a completion")
    arguments = parser.parse_args()

    from selectimprove.measurement import evaluation
    from selectimprove.training import trainers

    spec = read_spec(EvaluationSpec, arguments.spec)
    trainers.prepare_process(spec.threads)
    folders = [arguments.checkpoints / f"step{step}" for step in spec.checkpoint_steps]
    evaluation.evaluate(spec, folders, arguments.test, arguments.output)


if __name__ == "__main__":
    main()
