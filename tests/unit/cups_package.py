"""The example of a task in a package of its own, installed without an installer: its files beside its metadata."""

import shutil
import tomllib
from pathlib import Path

CUPS = Path(__file__).parents[1] / "examples" / "cups"


def install_cups(folder: Path, source: str | None = None, registered: str | None = None) -> Path:
    """Install the example in `folder`, for sys.path; source: other code than its own; registered: another object."""
    project = tomllib.loads((CUPS / "pyproject.toml").read_text())["project"]
    (module,) = CUPS.glob("*.py")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(module, folder)
    if source is not None:
        (folder / module.name).write_text(source)
    metadata = folder / f"{project['name']}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    (group, points), *_ = project["entry-points"].items()
    lines = [f"{name} = {registered or target}" for name, target in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]) + "\n")
    return folder
