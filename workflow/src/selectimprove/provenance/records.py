"""Where an artifact came from: digests, the commit, library versions, and the record that is kept of it.

The record of a checkpoint or a data set is the file RECORD in its folder; that of a score table is in the table (see
scores.write_scores); a figure's or table's is its sidecar (see rendering.py).
"""

import hashlib
import importlib.metadata
import json
import subprocess
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from selectimprove.experiment.specs import dump_spec
from selectimprove.files import write_json
from selectimprove.tasks.data import DATA_FILES
from selectimprove.tasks.specs import DataSpec

PACKAGE_ROOT = Path(__file__).parent
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
    """Return the SHA-256 over the names and bytes of a checkpoint's files.

    Its provenance record and hidden files (Snakemake's time stamp) are left out.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(folder).iterdir()):
        if path.name != RECORD and not path.name.startswith("."):
            digest.update(f"{path.name} {digest_file(path)}\n".encode())
    return digest.hexdigest()


def check_digest(path: Path) -> str:
    """Return the digest of a checkpoint's files, or of a file of a data set.

    Raises ValueError if there is a record and these are no longer the files that it was written for.
    """
    digest, is_folder = digest_path(path), Path(path).is_dir()
    record = Path(path) / RECORD if is_folder else Path(path).with_name(RECORD)
    if record.is_file():
        content = json.loads(record.read_text())
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
        "versions": find_versions(),
    }


def record_dataset(spec: DataSpec, folder: Path) -> None:
    """Write the record of a data set, with the digests of its files, beside them."""
    digests = {name: digest_file(Path(folder) / name) for name in DATA_FILES}
    write_json(Path(folder) / RECORD, {**make_record(spec, {}), "files": digests})


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


def find_commit() -> str:
    """Return the commit of this code, with "+changes" if tracked files differ from it; "none" outside a checkout."""
    git = ["git", "-C", str(PACKAGE_ROOT)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode != 0:
        return "none"
    status = [*git, "status", "--porcelain", "--untracked-files=no"]
    changed = subprocess.run(status, capture_output=True, text=True, check=True).stdout
    return head.stdout.strip() + ("+changes" if changed else "")


def find_versions() -> dict[str, str]:
    """Return the versions of the libraries that results depend on."""
    return {library: importlib.metadata.version(library) for library in LIBRARIES}
