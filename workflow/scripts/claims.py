"""Check the paper's claims on the scores."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import ClaimsSpec, read_spec
from selectimprove.measurement.claims import write_claims


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, type=Path, help="ClaimsSpec as JSON")
    parser.add_argument("--scores", required=True, type=Path, nargs="+", help="Parquet tables the claims are about")
    parser.add_argument("--markdown", required=True, type=Path)
    parser.add_argument("--csv", required=True, type=Path)
    parser.add_argument("--sidecar", required=True, type=Path, help="JSON record of what they were worked out from")
    arguments = parser.parse_args()
    spec = read_spec(ClaimsSpec, arguments.spec)
    write_claims(spec, arguments.scores, arguments.markdown, arguments.csv, arguments.sidecar)


if __name__ == "__main__":
    main()
