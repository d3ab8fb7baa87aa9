"""Describe the results and where they came from as an RO-Crate."""

import argparse
import json
from pathlib import Path

from selectimprove.provenance.crate import write_crate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifacts", required=True, type=Path, nargs="+", help="a file of each figure, table, ...")
    parser.add_argument("--results", required=True, type=Path, help="their folder, which becomes the crate")
    parser.add_argument("--config", required=True, help="the configuration as JSON")
    arguments = parser.parse_args()
    write_crate(arguments.artifacts, arguments.results, json.loads(arguments.config))


if __name__ == "__main__":
    main()
