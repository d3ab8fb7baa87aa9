"""Artifacts and what they were made from: records read, digests recomputed, one held against the other.

An artifact is a file (a figure, a table, a score table, a file of a data set) or a checkpoint folder. The verdicts on
it are VERDICTS: it "matches" if its digest is the one recorded by what was made from it, and by its own record if that
holds one; else it "differs", or is "missing"; it is "untraced" if nothing is recorded of what it was made from. A
figure, table or claims file differs, too, if its config digest is not that of the specs recorded upstream of it.

Paths in records are relative to the folder where the workflow ran: that must be the current one.
"""

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selectimprove.experiment.environment import describe_other_versions
from selectimprove.experiment.specs import digest_specs
from selectimprove.provenance.records import RECORD, digest_path, read_record

VERSIONS = ("versions", "other_versions")  # in a record, see records.record_versions
VERDICTS = ("matches", "differs", "missing", "untraced")


@dataclass(frozen=True)
class Artifact:
    """digest: recomputed, None if it is missing; record: {} if there is none; inputs: their recorded digests by path.

    sound: whether its record can be read, and holds its digest if any.
    """

    digest: str | None
    record: dict[str, Any]
    inputs: dict[Path, str]
    sound: bool


def load_record(file: Path) -> dict[str, Any]:
    """Return a record or sidecar, {} if there is none. Raises ValueError, naming the file, if it is something else."""
    if not file.is_file():
        return {}
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if all(isinstance(record.get(name, {}), dict) for name in ("spec", "files", "inputs", "scores", *VERSIONS)):
            return record
    except (ValueError, AttributeError):
        pass
    raise ValueError(f"{file}: this is no record of what an artifact was made from")


def find_record(path: Path) -> tuple[dict[str, Any], str | None]:
    """Return the record of an artifact, and its digest where the record holds it; {} and None if there is none.

    Raises ValueError if it cannot be read.
    """
    if path.is_dir():
        record = load_record(path / RECORD)
        return record, record.get("digest")
    if path.suffix == ".parquet" and path.is_file():
        return read_record(path), None
    for file in (path.with_name(RECORD), path.with_suffix(".json")):
        record = load_record(file)
        if path.name in record.get("files", {}):
            return record, record["files"][path.name]
    return {}, None


def read_artifact(path: Path) -> Artifact:
    """Digest an artifact and read its record."""
    digest = digest_path(path) if path.exists() else None
    try:
        record, recorded = find_record(path)
        checkpoints = {row["path"]: row["digest"] for row in record.get("checkpoints", [])}
        inputs = {**record.get("inputs", {}), **record.get("scores", {}), **checkpoints}
    except (ValueError, KeyError, TypeError):
        return Artifact(digest, {}, {}, sound=False)
    return Artifact(digest, record, {Path(name): inputs[name] for name in inputs}, sound=recorded in (None, digest))


def list_roots(file: Path) -> list[Path]:
    """Return the artifacts that a sidecar or a data set's record or folder stands for, else the artifact itself."""
    path = file.parent if file.name == RECORD else file
    record = {}
    if path.is_dir() or path.suffix == ".json":
        record = load_record(path / RECORD if path.is_dir() else path)
    folder = path if path.is_dir() else path.parent
    return [folder / name for name in record["files"]] if "files" in record else [path]


class Chain:
    """Some artifacts, the roots, and all that they were made from, by path; each is read and digested once."""

    def __init__(self, roots: list[Path]):
        self.roots = roots
        self.artifacts: dict[Path, Artifact] = {}
        for root in roots:
            self.add(root)

    def add(self, path: Path, above: Artifact | None = None) -> None:
        """Add an artifact and what it was made from; above: the one made from it. The chain ends at what is given."""
        if path not in self.artifacts:
            artifact = read_artifact(path)
            if above is not None and is_given(path, above):  # another workflow's record: its paths are not from here
                artifact = dataclasses.replace(artifact, record={}, inputs={})
            self.artifacts[path] = artifact
            for name in artifact.inputs:
                self.add(name, artifact)

    def judge(self, path: Path, above: Path | None = None) -> tuple[str, str]:
        """Return one of VERDICTS, and why; above: the artifact made from it, whose record of it is looked at."""
        artifact, maker = self.artifacts[path], self.artifacts.get(above)
        if artifact.digest is None:
            return "missing", ""
        if maker is not None and maker.inputs[path] != artifact.digest:
            reason = f"from what {above} was made from"
            if artifact.record and any(artifact.record.get(name) != maker.record.get(name) for name in VERSIONS):
                reason += "; it was made with other versions of packages, which may be why"
            return "differs", reason
        if not artifact.sound:
            return "differs", "from what its own record says"
        if not artifact.record and not (maker and is_given(path, maker)):
            return "untraced", "nothing is recorded of what it was made from"
        if "config_digest" in artifact.record and not self.has_config_of_upstream(path):
            return "differs", "its config digest is not that of the specs upstream of it"
        return "matches", ""

    def has_config_of_upstream(self, path: Path) -> bool:
        """Return whether a config digest is that of the specs recorded upstream, if nothing is wrong there."""
        upstream: set[Path] = set()
        waiting = [path]
        while waiting:
            found = waiting.pop()
            upstream.add(found)
            inputs = self.artifacts[found].inputs
            if any(self.judge(name, found)[0] != "matches" for name in inputs):
                return True  # it is told there
            waiting += [name for name in inputs if name not in upstream]
        specs = [record["spec"] for name in upstream if (record := self.artifacts[name].record).get("spec")]
        return digest_specs(*specs) == self.artifacts[path].record["config_digest"]

    def list_problems(self) -> dict[Path, tuple[str, str]]:
        """Return the verdict, and why, on each artifact that does not match."""
        problems: dict[Path, tuple[str, str]] = {}
        edges = [(name, above) for above, artifact in self.artifacts.items() for name in artifact.inputs]
        for path, above in [*((root, None) for root in self.roots), *edges]:
            verdict, reason = self.judge(path, above)
            if verdict != "matches":
                problems.setdefault(path, (verdict, reason))
        return problems

    def summarize(self) -> str:
        """Return the number of artifacts by verdict, commits if several, and versions, if several or not as pinned."""
        problems = self.list_problems()
        counts = Counter(verdict for verdict, _ in problems.values())
        counts["matches"] = len(self.artifacts) - len(problems)
        told = ", ".join(f"{counts[word]} {word}" for word in VERDICTS if counts[word])
        lines = [f"{len(self.artifacts)} artifacts: {told}"]
        records = [artifact.record for artifact in self.artifacts.values() if artifact.record]
        commits = Counter(record.get("commit", "none") for record in records)
        if len(commits) > 1:
            lines.append(
                "Made at several commits: " + ", ".join(f"{name} ({count})" for name, count in commits.items())
            )
        if len({json.dumps(record.get("versions")) for record in records}) > 1:
            lines.append("Made with several sets of library versions.")
        others = Counter(
            describe_other_versions(record["other_versions"]) for record in records if "other_versions" in record
        )
        lines += [f"Not made with the pinned versions, but {told} ({count})." for told, count in others.items()]
        return "\n".join(lines)


def is_given(path: Path, maker: Artifact) -> bool:
    """Return whether an input needs no record: metrics, or the base model that the configuration names."""
    source = ((maker.record.get("spec") or {}).get("model") or {}).get("source")
    return path.name == "metrics.csv" or (source is not None and path == Path(source))
