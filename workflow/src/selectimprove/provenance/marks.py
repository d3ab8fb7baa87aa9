"""A mark in the folder of results by which a copy of it is known."""

from pathlib import Path

MARKER = ".folder"  # its text is its own inode number, which no copy of it has


def is_copy(results: Path) -> bool:
    """Return whether results are there which were not made in this folder, or not yet marked as made here."""
    marker = results / MARKER
    return results.is_dir() and not (
        marker.is_file() and marker.read_text(encoding="utf-8") == str(marker.stat().st_ino)
    )


def mark_folder(results: Path) -> None:
    """Mark the results as made in this folder."""
    results.mkdir(parents=True, exist_ok=True)
    marker = results / MARKER
    marker.touch()
    marker.write_text(str(marker.stat().st_ino), encoding="utf-8")
