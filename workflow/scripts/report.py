"""Write the report."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import ReportSpec, read_spec
from selectimprove.presentation.report import render_report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, type=Path, help="ReportSpec as JSON")
    parser.add_argument("--figures", required=True, type=Path, nargs="*", help="PNG files, sidecars beside them")
    parser.add_argument("--tables", required=True, type=Path, nargs="*", help="Markdown files, sidecars beside them")
    parser.add_argument("--claims", type=Path, nargs="?", help="CSV table of the verdicts, if claims are checked")
    parser.add_argument("--scores", required=True, type=Path, help="Parquet table of all scores")
    parser.add_argument("--tests", required=True, type=Path, nargs="+", help="test splits that the scores are of")
    parser.add_argument("--template", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path, help="HTML")
    arguments = vars(parser.parse_args())
    render_report(read_spec(ReportSpec, arguments.pop("spec")), **arguments)


if __name__ == "__main__":
    main()
