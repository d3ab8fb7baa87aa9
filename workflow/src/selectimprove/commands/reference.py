"""Every key of the configuration: the page docs/reference.md, from the schema's words and the values of config.yaml.

python -m selectimprove reference > docs/reference.md
"""

from dataclasses import dataclass
from typing import Any

import yaml

from selectimprove.experiment.experiment import CHECKOUT
from selectimprove.tasks.registry import TASKS
from selectimprove.tasks.task import Task

SCHEMA_FILE = CHECKOUT / "workflow" / "schemas" / "config.schema.yaml"
INTRODUCTION = """\
# Every key of the configuration

`python -m selectimprove reference` makes this page from the words of
[config.schema.yaml](../workflow/schemas/config.schema.yaml) and from the values of [config.yaml](../config.yaml), which
are the defaults. `<name>` is the name of an entry, which you choose: `rl.defaults.beta` holds for every entry of `rl`
that gives no `beta` of its own. Where the default is empty, config.yaml gives none.

A preset adds entries and changes their keys; a list replaces the list, and `<name>: null` drops an entry. An entry
whose name has placeholders in braces is a grid and stands for many, see
[grids.py](../workflow/src/selectimprove/experiment/grids.py). A name has NAME.
A key that is not listed here is an error.
"""
NAME = "#/$defs/name"
TYPES = {
    "object": "mapping",
    "array": "list",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
}
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}
NO_DEFAULT = object()


def describe_types(schema: dict[str, Any]) -> str:
    """Return in words the types that a schema without $ref takes; allowed words are text."""
    types = schema.get("type", "string")
    return " or ".join(TYPES[name] for name in ([types] if isinstance(types, str) else types))


def format_value(value: Any) -> str:
    """Return a value as YAML writes it, on one line."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).removesuffix("...\n").strip()


def find_default(defaults: Any, key: str) -> Any:
    """Return a value of config.yaml, NO_DEFAULT if it is not given there."""
    return defaults[key] if isinstance(defaults, dict) and key in defaults else NO_DEFAULT


@dataclass(frozen=True)
class Reference:
    """Tells keys in Markdown. definitions: the shared schemas; told: the path at which the keys of each are told.

    They are told at the first path that is asked about; elsewhere it is said where.
    """

    definitions: dict[str, Any]
    told: dict[str, str]

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a schema with the shared one that its $ref names laid under its own words."""
        if "$ref" not in schema:
            return schema
        return {**self.resolve(self.definitions[schema["$ref"].rpartition("/")[2]]), **schema}

    def enter(self, path: str, schema: dict[str, Any], value: Any) -> tuple[str, dict[str, Any], Any]:
        """Return path, schema and value in config.yaml; of an entry and its defaults where these are named entries."""
        entry = self.resolve(schema).get("additionalProperties")
        if not isinstance(entry, dict):
            return path, schema, value
        return f"{path}.<name>", entry, find_default(value, "defaults")

    def find_keys(self, path: str, schema: dict[str, Any]) -> str | None:
        """Return the path at which the keys of a value are told, or of its entries; None if it has none."""
        path, schema, _ = self.enter(path, schema, None)
        if "properties" not in self.resolve(schema):
            return None
        return self.told.setdefault(schema["$ref"], path) if "$ref" in schema else path

    def describe(self, path: str, schema: dict[str, Any]) -> str:
        """Return what a key is for, and where its own keys are told if elsewhere."""
        told = self.find_keys(path, schema)
        here, *_ = self.enter(path, schema, None)
        return self.resolve(schema)["description"] + (f" Keys: see `{told}`." if told not in (None, here) else "")

    def describe_allowed(self, schema: dict[str, Any]) -> str:
        """Return in words which values of its types a schema takes; "" if it takes all."""
        if schema.get("$ref") == NAME:
            return "a name"
        schema = self.resolve(schema)
        if "allowed" in schema:
            return schema["allowed"].replace("<", "&lt;")
        if "enum" in schema:
            return ", ".join(f"`{word}`" for word in schema["enum"])
        if "items" in schema:
            number = "one or more" if schema.get("minItems") else "any number"
            types, allowed = describe_types(self.resolve(schema["items"])), self.describe_allowed(schema["items"])
            return f"{number}, none twice; each: {allowed if types == TYPES['string'] else f'{types}, {allowed}'}"
        return ", ".join(f"{words} {format_value(schema[bound])}" for bound, words in BOUNDS.items() if bound in schema)

    def list_rows(self, path: str, schema: dict[str, Any], value: Any) -> list[str]:
        """Return a row of the table for each key of a value in config.yaml, followed by the rows of its own keys."""
        path, schema, value = self.enter(path, schema, value)
        rows = []
        for key, own in self.resolve(schema)["properties"].items():
            place = f"{path}.{key}" if path else key
            default = find_default(value, key)
            below = self.list_rows(place, own, default) if self.find_keys(place, own) == place else []
            shown = "" if default is NO_DEFAULT or (below and default is not None) else f"`{format_value(default)}`"
            words = (f"`{place}`", describe_types(self.resolve(own)), self.describe_allowed(own), shown)
            rows += [f"| {' | '.join(words)} | {self.describe(place, own)} |", *below]
        return rows


def write_table(rows: list[str]) -> str:
    return "\n".join(["| key | type | allowed | default | what it is |", "|---|---|---|---|---|", *rows, ""])


def list_settings(reference: Reference, task: type[Task]) -> list[str]:
    """Return a row for each setting of a task."""
    defaults = {key: schema["default"] for key, schema in task.SETTINGS.items() if "default" in schema}
    return reference.list_rows("tasks.<name>", {"properties": task.SETTINGS}, defaults)


def write_reference() -> str:
    """Return the page in Markdown."""
    schema = yaml.safe_load(SCHEMA_FILE.read_text(encoding="utf-8"))
    config = yaml.safe_load((CHECKOUT / "config.yaml").read_text(encoding="utf-8"))
    sections = schema["properties"]
    # The keys of a section are told there, also if a task further up may override them.
    shared = {own["$ref"]: f"model.{name}" for name, own in sections["model"]["properties"].items() if "$ref" in own}
    shared |= {own["$ref"]: name for name, own in sections.items() if "$ref" in own}
    reference = Reference(schema["$defs"], shared)
    told = {name: reference.find_keys(name, own) for name, own in sections.items()}
    on_top = {"properties": {name: own for name, own in sections.items() if told[name] is None}}
    introduction = INTRODUCTION.replace("NAME", schema["$defs"]["name"]["allowed"])
    parts = [introduction, "## On top\n", write_table(reference.list_rows("", on_top, config))]
    for name, own in sections.items():
        if told[name] is not None:
            parts += [f"## {name}\n", f"{reference.describe(name, own)}\n"]
            if told[name] in (name, f"{name}.<name>"):
                parts.append(write_table(reference.list_rows(name, own, config[name])))
        if name == "tasks":
            for task, found in TASKS.items():
                parts += [f"Settings of the task `{task}`:\n", write_table(list_settings(reference, found))]
    claim = write_table(reference.list_rows("<group>.<name>", {"$ref": "#/$defs/claim"}, None))
    parts += ["## Claims\n", "Keys of each claim in [claims.yaml](../workflow/claims.yaml).\n", claim]
    return "\n".join(parts)
