"""Draw one figure."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import FigureSpec, parse_spec
from selectimprove.presentation.rendering import render_figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="FigureSpec as JSON")
    parser.add_argument("--scores", required=True, type=Path, nargs="+", help="Parquet tables it is drawn from")
    parser.add_argument("--metrics", required=True, type=Path, nargs="+", help="step metrics of the SFT runs")
    parser.add_argument("--pdf", required=True, type=Path)
    parser.add_argument("--png", required=True, type=Path)
    parser.add_argument("--sidecar", required=True, type=Path, help="JSON record of what it was drawn from")
    arguments = parser.parse_args()
    spec = parse_spec(FigureSpec, arguments.spec)
    render_figure(spec, arguments.scores, arguments.metrics, arguments.pdf, arguments.png, arguments.sidecar)


if __name__ == "__main__":
    main()
