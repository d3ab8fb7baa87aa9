"""Where an artifact came from: digests, the commit, library versions, and the record that is kept of it.

The record of a checkpoint or a data set is the file RECORD in its folder; that of a score table is in the table (see
scores.write_scores); a figure's or table's is its sidecar (see rendering.py).
"""

import functools
import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from selectimprove.experiment.environment import find_other_versions, find_version
from selectimprove.experiment.experiment import CHECKOUT, PACKAGE
from selectimprove.experiment.specs import FilteredDataSpec, dump_spec
from selectimprove.files import write_json
from selectimprove.tasks.data import DATA_FILES
from selectimprove.tasks.specs import DataSpec

VERSION = "0.1.0"  # as in pyproject.toml, which is not at hand where the package is installed
LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "pandas", "matplotlib", "snakemake")
RECORD = "provenance.json"
RECORD_KEY = b"selectimprove"

# What pyarrow raises on a file that is not whole Parquet; the last three from its reading of pandas' metadata.
DAMAGE = (OSError, ValueError, pyarrow.ArrowException, LookupError, TypeError, AttributeError)


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_checkpoint(folder: Path) -> str:
    """Return the SHA-256 over the names and bytes of a checkpoint's files, those in its subfolders too.

    Its provenance record and what is hidden (Snakemake's time stamp, a hub's notes on a download) are left out.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(folder).rglob("*")):
        name = path.relative_to(folder)
        if str(name) != RECORD and not path.is_dir() and not any(part.startswith(".") for part in name.parts):
            digest.update(f"{name} {digest_file(path)}\n".encode())
    return digest.hexdigest()


def check_digest(path: Path) -> str:
    """Return the digest of a checkpoint's files, or of a file of a data set.

    Raises ValueError if there is a record and these are no longer the files that it was written for.
    """
    digest, is_folder = digest_path(path), Path(path).is_dir()
    record = Path(path) / RECORD if is_folder else Path(path).with_name(RECORD)
    if record.is_file():
        content = json.loads(record.read_text(encoding="utf-8"))
        recorded = content.get("digest") if is_folder else content.get("files", {}).get(Path(path).name, digest)
        if recorded != digest:
            what = "its files are not those" if is_folder else "it is not the file"
            raise ValueError(f"{path} is damaged: {what} that {RECORD} was written for; remove it and run again")
    return digest


def digest_path(path: Path) -> str:
    """Return the digest of a file or of a checkpoint folder."""
    return digest_checkpoint(path) if Path(path).is_dir() else digest_file(path)


def digest_inputs(*paths: Path) -> dict[str, str]:
    """Return the digest of each input, a file or a checkpoint folder, by path.

    Raises ValueError on a checkpoint or a file of a data set that was changed after it was made.
    """
    return {str(path): check_digest(path) for path in paths}


def make_record(spec: Any, inputs: dict[str, str]) -> dict[str, Any]:
    """Return what is recorded of anything that is made; inputs: as digest_inputs returns them.

    Nothing in it differs from one run to the next of the same code.
    """
    return {
        "spec": json.loads(dump_spec(spec)),
        "inputs": inputs,
        "commit": find_commit(),
        **record_versions(),
    }


def record_dataset(spec: DataSpec | FilteredDataSpec, folder: Path, inputs: dict[str, str] | None = None) -> None:
    """Write the record of a data set, with the digests of its files, beside them.

    inputs: what it was filtered from, as digest_inputs returns it; None: it was made from nothing.
    """
    digests = {name: digest_file(Path(folder) / name) for name in DATA_FILES}
    write_json(Path(folder) / RECORD, {**make_record(spec, inputs or {}), "files": digests})


def read_record(file: Path) -> dict[str, Any]:
    """Return the record in a score table, {} if it has none.

    All rows are read, to find damage. Raises ValueError if they are not what was written.
    """
    try:
        with pyarrow.parquet.ParquetFile(file, page_checksum_verification=True) as table:
            for _ in table.iter_batches():
                pass
            return json.loads((table.schema_arrow.metadata or {}).get(RECORD_KEY, "{}"))
    except DAMAGE as error:
        raise ValueError(f"{file}: this score table is damaged; remove it and run again") from error


def call_git(*arguments: str) -> str | None:
    """Return the output of git in this checkout, None if it fails or there is no git.

    The repository is named, not looked for: a folder above the checkout may be another one, the variables of a hook may
    name one, and git does not enter by itself what another user owns. The checkout is not written to.
    """
    git = ["git", "--no-optional-locks", f"--git-dir={CHECKOUT / '.git'}", f"--work-tree={CHECKOUT}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        process = subprocess.run([*git, *arguments], env=environment, capture_output=True, check=False)
    except OSError:
        return None
    return process.stdout.decode() if process.returncode == 0 else None


@functools.cache
def find_commit() -> str:
    """Return the commit of this checkout, with "+changes" if tracked files differ from it.

    Where git does not tell it, that is the version and a digest of the code: "0.1.0+source.<12 hexadecimal digits>".
    The answer of a process is that of its first call.
    """
    head = call_git("rev-parse", "HEAD")
    status = call_git("status", "--porcelain", "--untracked-files=no")
    if head is None or status is None:
        return f"{VERSION}+source.{digest_source()[:12]}"
    return head.strip() + ("+changes" if status else "")


def digest_source() -> str:
    """Return the SHA-256 over the names and bytes of the modules of this package."""
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    lines = [f"{name} {digest_file(files[name])}\n" for name in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def find_versions() -> dict[str, str]:
    """Return the versions of the libraries that results depend on, "none" of one that is not installed."""
    return {library: find_version(library) for library in LIBRARIES}


def record_versions() -> dict[str, Any]:
    """Return the part of a record that says with what it was made: "versions" of the libraries.

    And "other_versions", the packages that are not as pinned (see find_other_versions), if there are any.
    """
    others = find_other_versions()
    return {"versions": find_versions(), **({"other_versions": others} if others else {})}
