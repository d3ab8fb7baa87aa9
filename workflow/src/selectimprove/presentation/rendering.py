"""From score files to the files of a figure or table, each traceable to the checkpoints and the code behind it.

The origin of a figure or table is a sidecar, JSON of the same stem: the drawing function, commit and library versions,
digest of the specs, and path and SHA-256 of every checkpoint, score file and file made. The main part of it is also
inside the PDF (Title, Subject, Keywords) and the PNG (text of the same names); Keywords is JSON.
"""

import importlib
import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

from selectimprove.experiment.specs import FigureSpec
from selectimprove.files import write_whole
from selectimprove.measurement.scores import read_declared_scores
from selectimprove.provenance.sidecars import describe_origin, write_sidecar

VALIDATION_LOSSES = ["validation_loss", "validation_sequence_loss"]


def render_figure(
    spec: FigureSpec, score_files: list[Path], metrics_files: list[Path], pdf: Path, png: Path, sidecar: Path
) -> None:
    """Draw a figure and write it as PDF and as PNG (200 dpi), with its sidecar; same scores and code, same bytes.

    What the caller's matplotlibrc and MPLBACKEND say does not count.

    metrics_files: the step metrics of the SFT runs, as in read_described_scores.

    Raises FileNotFoundError or ValueError if a score file, or the scores of a run, suite or seed, are missing.
    """
    os.environ.pop("MPLBACKEND", None)  # matplotlib cannot be imported under the name of a backend that it lacks
    import matplotlib

    draw = importlib.import_module(f"selectimprove.presentation.figures.{spec.module}").draw
    scores = read_described_scores(spec, score_files, metrics_files)
    origin = describe_origin("figure", draw, spec, scores)
    metadata = format_metadata(origin)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        # Type 42 keeps text selectable; the date is left out since it would make each file new.
        matplotlib.rcParams["pdf.fonttype"] = 42
        figure = draw(scores)
        write_whole(pdf, lambda file: figure.savefig(file, format="pdf", metadata={**metadata, "CreationDate": None}))
        write_whole(png, lambda file: figure.savefig(file, format="png", dpi=200, metadata=metadata))
    write_sidecar(sidecar, origin, [*score_files, *metrics_files], [pdf, png])


def render_table(
    spec: FigureSpec, score_files: list[Path], metrics_files: list[Path], markdown: Path, csv: Path, sidecar: Path
) -> None:
    """Compute a table and write it as Markdown (percent) and CSV (fractions, 6 digits), with its sidecar.

    Raises FileNotFoundError or ValueError if a score file, or the scores of a run, suite or seed, are missing.
    """
    module = importlib.import_module(f"selectimprove.presentation.tables.{spec.module}")
    scores = read_described_scores(spec, score_files, metrics_files)
    table = module.compute(scores)
    write_whole(markdown, lambda file: file.write_text(module.format_markdown(table), encoding="utf-8"))
    write_whole(csv, lambda file: table.round(6).to_csv(file, index=False))
    origin = describe_origin("table", module.compute, spec, scores)
    write_sidecar(sidecar, origin, [*score_files, *metrics_files], [markdown, csv])


def read_described_scores(spec: FigureSpec, score_files: list[Path], metrics_files: list[Path]) -> pd.DataFrame:
    """Return the declared scores with the columns of RUN_COLUMNS beside them.

    metrics_files: metrics.csv of each SFT run at a root and of each seed, below <run>/seed<k>/.
    """
    scores = read_declared_scores(spec, score_files)
    settings = pd.DataFrame.from_dict(spec.run_settings, orient="index").rename_axis("run").reset_index()
    losses = pd.DataFrame(read_validation_losses(Path(file)) for file in metrics_files)
    return scores.merge(settings, on="run", validate="many_to_one").merge(
        losses, on=["sft_run", "seed"], how="left", validate="many_to_one"
    )


def read_validation_losses(metrics_file: Path) -> dict[str, Any]:
    """Return the cross-entropies at the end of an SFT run. Raises ValueError, naming the file, if it has none."""
    metrics = pd.read_csv(metrics_file)
    missing = [column for column in VALIDATION_LOSSES if column not in metrics]
    if missing:
        raise ValueError(f"{metrics_file}: these metrics have no column {missing[0]!r}")
    run, seed = metrics_file.parts[-3:-1]
    return {"sft_run": run, "seed": int(seed.removeprefix("seed")), **metrics.iloc[-1][VALIDATION_LOSSES]}


def format_metadata(origin: dict[str, Any]) -> dict[str, str]:
    """Return the part of an origin that is embedded in a figure's files."""
    kept = {name: origin[name] for name in ("rule", "function", "commit", "config_digest")}
    kept["checkpoints"] = [checkpoint["digest"] for checkpoint in origin["checkpoints"]]
    return {
        "Title": origin["figure"],
        "Subject": f"drawn by {origin['function']} of {origin['commit']}",
        "Keywords": json.dumps(kept),
    }
