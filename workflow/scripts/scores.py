"""Join score tables into one."""

import argparse
from pathlib import Path

from selectimprove.measurement.scores import join_scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", required=True, type=Path, nargs="+", help="Parquet tables of evaluations")
    parser.add_argument("--output", required=True, type=Path, help="Parquet table of all their rows")
    arguments = parser.parse_args()
    join_scores(arguments.tables, arguments.output)


if __name__ == "__main__":
    main()
