"""Write one data set, all three splits, as JSON Lines."""

import argparse
from pathlib import Path

from selectimprove.data import write_dataset
from selectimprove.specs import DataSpec, parse_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="DataSpec as JSON")
    parser.add_argument("--folder", required=True, type=Path, help="where the files go")
    arguments = parser.parse_args()
    write_dataset(parse_spec(DataSpec, arguments.spec), arguments.folder)


if __name__ == "__main__":
    main()
