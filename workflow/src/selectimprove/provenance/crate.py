"""What was made, from what and by what, as an RO-Crate: RO-Crate 1.1 with the profile Provenance Run Crate 0.5.

The crate is the folder of the results: ro-crate-metadata.json describes the figures, tables and claims and all that is
upstream of them; the folder `workflow` in it is a copy of the code and of the configuration of the run. The run of the
workflow is an action, and so is each of its jobs, whose tool is its script. To validate the crate, in an environment
of its own:

    pip install roc-validator==0.13.0
    rocrate-validator validate -p provenance-run-crate-0.5 results/tiny

The profiles ask for dates: they are the times of the last change to the files, nothing else here depends on time.
"""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from rocrate.model import ContextEntity, Entity
from rocrate.rocrate import ROCrate

from selectimprove.experiment.experiment import CHECKOUT
from selectimprove.files import write_json
from selectimprove.provenance.chain import Chain, list_roots
from selectimprove.provenance.records import digest_file, find_commit, find_versions

METADATA = "ro-crate-metadata.json"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
TOOLS = {"data": "dataset", "evaluation": "evaluate", "figures": "draw", "tables": "draw"}  # others: as the folder
DESCRIPTION = (
    "How reinforcement learning teaches a language model to reason, reproduced: figures, tables and claims, and the "
    "scores, checkpoints and data sets behind them. The identifier of a checkpoint is the digest of its files."
)


def copy_workflow(folder: Path, config: dict[str, Any]) -> None:
    """Copy the workflow from its checkout, and write the configuration beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("workflow", "envs", "profiles"):
        shutil.copytree(
            CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
        )
    shutil.copy(CHECKOUT / "Snakefile", folder)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def find_end(paths: list[Path]) -> str:
    """Return the time of the last change to these files, or to files in these folders, as ISO 8601 in UTC."""
    files = [file for path in paths for file in (path.iterdir() if path.is_dir() else [path])]
    return datetime.fromtimestamp(int(max(file.stat().st_mtime for file in files)), UTC).isoformat()


def group_jobs(chain: Chain) -> list[list[Path]]:
    """Return what each job made: artifacts whose records are the same but for their digests."""
    jobs: dict[str, list[Path]] = {}
    for path, artifact in chain.artifacts.items():
        if artifact.record:
            record = {**artifact.record, "digest": None}
            jobs.setdefault(json.dumps(record, sort_keys=True), []).append(path)
    return list(jobs.values())


class Crate(ROCrate):
    """The crate of the results in a folder."""

    def __init__(self, results: Path, chain: Chain):
        super().__init__(version="1.1")
        self.results = results
        self.chain = chain
        self.metadata.extra_terms["sha256"] = "http://schema.org/sha256"
        versions = find_versions()
        self.workflow = self.add_workflow(
            results / "workflow/Snakefile",
            "workflow/Snakefile",
            main=True,
            lang="snakemake",
            lang_version=versions["snakemake"],
            properties={
                "name": "selectimprove",
                "version": find_commit(),
                "sha256": digest_file(results / "workflow/Snakefile"),
                "softwareRequirements": [f"{name} {version}" for name, version in versions.items()],
            },
        )

    def find_artifact(self, path: Path, **properties: Any) -> Entity:
        """Return the entity of a file or a checkpoint folder, added if it is new."""
        if not path.is_relative_to(self.results):  # a base model that the configuration names
            given = ContextEntity(self, f"#{path}", {"@type": "CreativeWork", "name": str(path)})
            return self.get(given.id) or self.add(given)
        name = path.relative_to(self.results).as_posix()
        if path.is_dir():
            properties = {"name": name, "identifier": self.chain.artifacts[path].digest}
            return self.get(f"{name}/") or self.add_dataset(path, name, properties=properties)
        if entity := self.get(name):
            return entity
        digest = self.chain.artifacts[path].digest if path in self.chain.artifacts else digest_file(path)
        return self.add_file(path, name, properties={"name": name, "sha256": digest, **properties})

    def find_tool(self, path: Path) -> Entity:
        """Return the entity of the script that made an artifact, a tool of the workflow."""
        stage = path.relative_to(self.results).parts[0].partition(".")[0]
        name = TOOLS.get(stage, stage)
        script = self.results / f"workflow/workflow/scripts/{name}.py"
        tool = self.find_artifact(script, **{"@type": ["File", "SoftwareSourceCode"], "name": name})
        if tool not in self.workflow.get("hasPart", []):
            self.workflow.append_to("hasPart", tool)
        return tool

    def add_action(self, *arguments: Any) -> Entity:
        """Add an action (see ROCrate.add_action) that the crate mentions."""
        action = super().add_action(*arguments)
        self.root_dataset.append_to("mentions", action)
        return action

    def add_job(self, made: list[Path]) -> None:
        """Add the action that made these artifacts; its spec, as JSON, is one of its objects."""
        record = self.chain.artifacts[made[0]].record
        name = made[0].relative_to(self.results).as_posix()
        objects = [self.find_artifact(path) for path in self.chain.artifacts[made[0]].inputs]
        if record.get("spec"):
            spec = {"@type": "PropertyValue", "name": "spec", "value": json.dumps(record["spec"], sort_keys=True)}
            objects.append(self.add(ContextEntity(self, f"#spec/{name}", spec)))
        sidecar = made[0].with_suffix(".json")
        files = dict.fromkeys([*made, sidecar] if sidecar.is_file() else made)
        described = {
            "name": f"Making of {name}",
            "description": f"Code: {record['commit']}",
            "endTime": find_end(made),
        }
        results = [self.find_artifact(path) for path in files]
        self.add_action(self.find_tool(made[0]), f"#job/{name}", objects, results, described)


def write_crate(artifacts: list[Path], results: Path, config: dict[str, Any]) -> None:
    """Write ro-crate-metadata.json and the folder `workflow` to the folder of the results.

    artifacts: one file of each figure, table and so on; config: the configuration of the run.

    Raises ValueError if an artifact, or anything upstream of one, is not what is recorded of it.
    """
    sidecars = [path.with_suffix(".json") for path in artifacts]
    holders = [sidecar if sidecar.is_file() else path for path, sidecar in zip(artifacts, sidecars, strict=True)]
    roots = [root for holder in holders for root in list_roots(holder)]
    chain = Chain(roots)
    if problems := chain.list_problems():
        counts = f"{len(problems)} of {len(chain.artifacts)} artifacts"
        raise ValueError(f"{results}: {counts} are not as recorded; snakemake verify lists them")
    copy_workflow(results / "workflow", config)
    crate = Crate(results, chain)
    for made in group_jobs(chain):
        crate.add_job(made)
    settings = crate.find_artifact(results / "workflow/config.yaml")
    end = find_end(roots)
    run = {"name": "Run of the workflow", "description": "All its jobs", "endTime": end}
    crate.add_action(crate.workflow, "#run", [settings], [crate.find_artifact(root) for root in roots], run)
    root = crate.root_dataset
    root["name"] = f"Results of selectimprove, preset {results.name}"
    root["description"] = DESCRIPTION
    root["license"] = "No licence is stated."
    root["datePublished"] = end
    for url, name in PROFILES.items():
        profile = {"@type": "CreativeWork", "name": name, "version": url.rpartition("/")[2]}
        root.append_to("conformsTo", crate.add(ContextEntity(crate, url, profile)))
    write_json(results / METADATA, crate.metadata.generate())
