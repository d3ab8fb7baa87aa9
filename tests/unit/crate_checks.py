"""What RO-Crate 1.1 and the profiles Process, Workflow and Provenance Run Crate 0.5 require of what a crate has."""

import json
from datetime import datetime
from pathlib import Path

from selectimprove.provenance.records import digest_checkpoint, digest_file

PROFILES = [f"https://w3id.org/ro/wfrun/{name}/0.5" for name in ("process", "workflow", "provenance")]
TERMS = {  # of the context of RO-Crate 1.1, and sha256
    *("about", "conformsTo", "datePublished", "description", "endTime", "hasPart", "identifier", "instrument"),
    *("license", "mainEntity", "mentions", "name", "object", "programmingLanguage", "result", "softwareRequirements"),
    *("url", "value", "version", "sha256"),
}
SCRIPT = ["File", "SoftwareSourceCode"]


def as_list(value) -> list:
    return value if isinstance(value, list) else [value]


def read_entities(results: Path) -> dict[str, dict]:
    """Return the crate's entities by id, with each reference {"@id": id} checked and replaced by the id."""
    metadata = json.loads((results / "ro-crate-metadata.json").read_text())
    assert metadata["@context"] == ["https://w3id.org/ro/crate/1.1/context", {"sha256": "http://schema.org/sha256"}]
    ids = [entity["@id"] for entity in metadata["@graph"]]
    assert len(ids) == len(set(ids))
    known = {*ids, "https://w3id.org/ro/crate/1.1", "https://doi.org/10.1093/bioinformatics/bts480"}
    entities = {}
    for entity in metadata["@graph"]:
        assert set(entity) <= {"@id", "@type", *TERMS}
        for name, value in entity.items():
            for reference in [part["@id"] for part in as_list(value) if isinstance(part, dict)]:
                assert reference in known or name == "url", (entity["@id"], name)
        entities[entity["@id"]] = {
            name: [part["@id"] if isinstance(part, dict) else part for part in as_list(value)]
            for name, value in entity.items()
        }
    return entities


def check_crate(results: Path) -> dict[str, dict]:
    """Check the crate in a folder, and return its entities by id, the values of each in lists."""
    entities = read_entities(results)
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert (descriptor["@type"], descriptor["about"], root["@type"]) == (["CreativeWork"], ["./"], ["Dataset"])
    assert "https://w3id.org/ro/crate/1.1" in descriptor["conformsTo"]
    assert all(root[name][0] for name in ("name", "description", "license"))
    assert datetime.fromisoformat(root["datePublished"][0]).tzinfo
    assert set(PROFILES) < set(root["conformsTo"])
    assert all("CreativeWork" in entities[profile]["@type"] for profile in root["conformsTo"])

    [main] = root["mainEntity"]
    workflow = entities[main]
    assert workflow["@type"] == [*SCRIPT, "ComputationalWorkflow"]
    assert entities[workflow["programmingLanguage"][0]]["@type"] == ["ComputerLanguage"]
    assert {entity["@id"][0] for entity in entities.values() if entity["@type"] == SCRIPT} == set(workflow["hasPart"])

    actions = [entity for entity in entities.values() if "CreateAction" in entity["@type"]]
    assert {action["@id"][0] for action in actions} == set(root["mentions"])
    assert {action["instrument"][0] for action in actions} == {main, *workflow["hasPart"]}
    for action in actions:
        assert all(action[name] for name in ("name", "description", "result"))
        assert datetime.fromisoformat(action["endTime"][0]).tzinfo

    parts = [entity for name, entity in entities.items() if {"File", "Dataset"} & set(entity["@type"]) and name != "./"]
    assert {part["@id"][0] for part in parts} == set(root["hasPart"])
    for part in parts:
        path = results / part["@id"][0]
        if "File" in part["@type"]:
            assert part["sha256"] == [digest_file(path)]
        else:
            assert part["identifier"] == [digest_checkpoint(path)]
    return entities
