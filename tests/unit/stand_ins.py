"""A tracker that stands in for TensorBoard where that is not installed, for tests."""

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


def write_tracker(folder: Path) -> Path:
    """Write the packages to `folder`, for Python's path. The writer's files have a line of JSON for each value."""
    for name, code in {"tensorboard": "", "tensorboardX": WRITER}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(code)
    return folder
