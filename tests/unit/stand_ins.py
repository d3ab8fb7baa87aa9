"""Programs and packages that stand in, in tests, for TensorBoard and Apptainer where these are not installed."""

from pathlib import Path

# transformers' callback asks for the package tensorboard, and takes the writer of tensorboardX where that has none.
WRITER = """
import json
from pathlib import Path


class SummaryWriter:
    def __init__(self, log_dir):
        folder = Path(log_dir)
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / f"events.out.tfevents.{len(list(folder.iterdir()))}").open("w")

    def add_text(self, *_):
        pass

    def add_scalar(self, name, value, step):
        print(json.dumps([name, step, value]), file=self.file)

    def flush(self):
        self.file.flush()

    def close(self):
        self.file.close()
"""

APPTAINER = """#!/bin/bash
if [ "$1" = --version ]; then echo apptainer version 1.3.4; exit; fi
printf '%s\\n' "$*" >> {calls}
until [ "$1" = selectimprove.sif ]; do shift; done
shift
exec "$@"
"""


def write_tracker(folder: Path) -> Path:
    """Write the packages to `folder`, for Python's path. The writer's files have a line of JSON for each value."""
    for name, code in {"tensorboard": "", "tensorboardX": WRITER}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(code)
    return folder


def write_apptainer(folder: Path, calls: Path) -> None:
    """Write a program `apptainer` to `folder`: it runs commands without an image, and tells `calls` of each."""
    folder.mkdir()
    program = folder / "apptainer"
    program.write_text(APPTAINER.format(calls=calls))
    program.chmod(0o755)
