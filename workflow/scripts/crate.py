"""Describe the results and where they came from as an RO-Crate."""

import argparse
import json
from pathlib import Path

from selectimprove.provenance.crate import write_crate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifacts", required=True, type=Path, nargs="+", help="a file of each figure, table, ...")
    parser.add_argument("--results", required=True, type=Path, help="their folder, which becomes the crate")
    parser.add_argument("--spec", required=True, type=Path, help="the configuration of the run as JSON")
    arguments = parser.parse_args()
    write_crate(arguments.artifacts, arguments.results, json.loads(arguments.spec.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
