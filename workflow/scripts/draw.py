"""Draw one figure, or compute one table."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import FigureSpec, read_spec
from selectimprove.presentation.rendering import render_figure, render_table

RENDER = {"figure": render_figure, "table": render_table}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=RENDER)
    parser.add_argument("--spec", required=True, type=Path, help="FigureSpec as JSON")
    parser.add_argument("--scores", required=True, type=Path, nargs="+", help="Parquet tables it is drawn from")
    parser.add_argument("--metrics", required=True, type=Path, nargs="+", help="step metrics of the SFT runs")
    parser.add_argument("--outputs", required=True, type=Path, nargs=2, help="PDF and PNG, or Markdown and CSV")
    parser.add_argument("--sidecar", required=True, type=Path, help="JSON record of what it was drawn from")
    arguments = parser.parse_args()
    spec = read_spec(FigureSpec, arguments.spec)
    RENDER[arguments.what](spec, arguments.scores, arguments.metrics, *arguments.outputs, arguments.sidecar)


if __name__ == "__main__":
    main()
