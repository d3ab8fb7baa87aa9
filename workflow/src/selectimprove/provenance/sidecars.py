"""The sidecar of what is drawn: JSON of the same stem that says which code and checkpoints it comes from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from selectimprove.experiment.specs import ClaimsSpec, FigureSpec
from selectimprove.files import write_json
from selectimprove.provenance.records import digest_file, find_commit, record_versions

CHECKPOINT_COLUMNS = {
    "run": "run",
    "seed": "seed",
    "checkpoint_step": "step",
    "checkpoint": "path",
    "checkpoint_digest": "digest",
}


def describe_origin(
    rule: str, function: Callable, spec: FigureSpec | ClaimsSpec, scores: pd.DataFrame
) -> dict[str, Any]:
    """Return what a figure, a table or the claims come from: the code, the specs and the checkpoints."""
    checkpoints = scores[list(CHECKPOINT_COLUMNS)].drop_duplicates().rename(columns=CHECKPOINT_COLUMNS)
    return {
        rule: spec.name,
        "rule": rule,
        "function": f"{function.__module__}.{function.__qualname__}",
        "commit": find_commit(),
        "config_digest": spec.config_digest,
        "seeds": list(spec.seeds),
        "checkpoints": checkpoints.to_dict("records"),
    }


def write_sidecar(sidecar: Path, origin: dict[str, Any], score_files: list[Path], made: list[Path]) -> None:
    """Write the origin with the digests of the score files, by path, and of the files made, by name."""
    digests = {
        "scores": {str(file): digest_file(file) for file in score_files},
        "files": {Path(file).name: digest_file(file) for file in made},
    }
    write_json(sidecar, {**origin, **digests, **record_versions()})
