"""The page of all keys: as committed, complete, and with the values of config.yaml."""

import re

import pytest
from configurations import CONFIG, ROOT, SCHEMA

from selectimprove.__main__ import main

PAGE = ROOT / "docs/reference.md"
ROW = re.compile(r"^\| `([^`]+)` \| (.*?) \| (.*?) \| (.*?) \| (.+) \|$", re.MULTILINE)


def list_properties(schema, path=""):
    """Return {path in the schema: what it says} of every key, in the shared schemas, too."""
    found = {}
    for name, own in schema.items() if isinstance(schema, dict) else ():
        found |= list_properties(own, f"{path}/{name}")
        if path.endswith("/properties"):
            found[f"{path}/{name}"] = own
    return found


@pytest.fixture(scope="module")
def rows():
    """Return {key: (type, allowed, default, description)} of the page."""
    return {key: words for key, *words in ROW.findall(PAGE.read_text(encoding="utf-8"))}


def test_page_is_what_the_command_prints(capsys):
    assert main(["reference"]) == 0
    assert capsys.readouterr().out == PAGE.read_text(encoding="utf-8"), (
        "write it anew: python -m selectimprove reference > docs/reference.md"
    )


def test_every_key_of_the_schema_has_a_description_of_a_sentence():
    properties = list_properties(SCHEMA)
    assert len(properties) > 90
    for path, own in properties.items():
        assert re.fullmatch(r"[^\n]+\.", own.get("description", "")), path


def test_every_key_of_the_configuration_has_a_row_or_a_heading(rows):
    """Keys of config.yaml as they stand there, with <name> for what is named."""
    headings = set(re.findall(r"^## (\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    for section, values in CONFIG.items():
        assert section in headings or section in rows
        if section == "tables" or not isinstance(values, dict):
            continue
        named = isinstance(SCHEMA["properties"][section].get("additionalProperties"), dict)
        keys = {f"<name>.{key}" for entry in values.values() for key in entry} if named else set(values)
        assert {f"{section}.{key}" for key in keys} <= set(rows)


@pytest.mark.parametrize(
    ("key", "words"),
    {
        "preset": ("text", "a name", "`tiny`"),
        "seeds": ("list", "one or more, none twice; each: whole number, at least 0", "`[0]`"),
        "strict_versions": ("true or false", "", "`false`"),
        "resources.rl": ("mapping", "", "`{mem_mb: 2000, runtime: 60, gpu: 0}`"),
        "model.revision": ("text or null", "", "`null`"),
        "model.text": ("text", "`symbolic`, `symbolic_question_first`, `sentences`", "`symbolic`"),
        "execution.report_to": ("list", "any number, none twice; each: `clearml`, ", "`[]`"),
        "pretrain.muon": ("mapping or null", "", ""),
        "pretrain.muon.momentum": ("number", "at least 0, less than 1", "`0.95`"),
        "datasets.<name>.sizes.test": ("whole number", "at least 1, at most 10000000", "`1024`"),
        "sft.<name>.dataset": ("text", "a name", ""),
        "sft.<name>.lora": ("mapping or null", "", "`null`"),
        "rl.<name>.beta": ("number", "0, or 1.0e-6 to 100", "`0.05`"),
        "figures.<name>.runs": ("list", "one or more, none twice; each: a name, with * for any characters", ""),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_row_has_type_range_and_default(rows, key, words):
    found_type, allowed, default, _ = rows[key]
    assert (found_type, default) == (words[0], words[2])
    assert allowed.startswith(words[1]) if words[1] else allowed == ""


def test_keys_that_several_places_share_are_told_once(rows):
    assert "pretrain.updates" in rows and "rl.<name>.lora.rank" not in rows
    assert rows["tasks.<name>.pretrain"][3].endswith(" Keys: see `pretrain`.")
    assert rows["rl.<name>.lora"][3].endswith(" Keys: see `sft.<name>.lora`.")
    assert "Keys: see `figures.<name>`." in PAGE.read_text(encoding="utf-8")
