"""Write one data set, all three splits, as JSON Lines."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import read_spec
from selectimprove.provenance.records import record_dataset
from selectimprove.tasks.data import write_dataset
from selectimprove.tasks.specs import DataSpec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, type=Path, help="DataSpec as JSON")
    parser.add_argument("--folder", required=True, type=Path, help="where the files go")
    arguments = parser.parse_args()
    spec = read_spec(DataSpec, arguments.spec)
    write_dataset(spec, arguments.folder)
    record_dataset(spec, arguments.folder)


if __name__ == "__main__":
    main()
