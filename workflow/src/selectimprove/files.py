"""Writing files and folders whole: to a temporary name that is renamed into place."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def put_in_place(path: Path) -> Iterator[Path]:
    """Give the body a temporary name to write a file or folder to, and rename it to `path`: whole, or as it was before.

    If the body fails, what it wrote is removed: on a full disk, that makes room for the message.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    remove(temporary)
    try:
        yield temporary
        if temporary.is_dir():
            remove(path)
        temporary.replace(path)
    finally:
        remove(temporary)


def write_whole(file: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` write to a temporary name and rename it into place: `file` is whole or not there."""
    with put_in_place(Path(file)) as temporary:
        write(temporary)


def write_json(file: Path, content: Any) -> None:
    """Write JSON, whole or not at all."""
    write_whole(
        file, lambda path: path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    )
