"""The shape of a configuration: a JSON schema whose errors are told in one sentence each."""

import difflib
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from selectimprove.experiment.experiment import ConfigError

CLOSE = 0.65  # of difflib, whose own 0.6 finds "model" in "order"


def is_integer(_: Any, value: Any) -> bool:
    """JSON Schema would take 100.0 for an integer."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(_: Any, value: Any) -> bool:
    """YAML's .nan and .inf are no numbers to compute with."""
    return is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))


StrictValidator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": is_integer, "number": is_number}
    ),
)


def list_words(words: Any) -> str:
    """Return the words as a readable list."""
    return ", ".join(map(str, words)) or "none"


def write_number(text: str, whole: bool) -> str | None:
    """Return the number that a text such as "1e-4" stands for as YAML wants it, "1.0e-4"; None: it stands for none.

    whole: whether it has to be an integer.
    """
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    if whole:
        return str(int(Decimal(text))) if number.is_integer() else None
    mantissa, _, exponent = text.strip().lower().partition("e")
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{mantissa}e{int(exponent):+d}" if exponent else mantissa


def hint_at_type(found: Any, wanted: list[str]) -> str:
    """Return how to write a value that YAML, or Snakemake's --config, reads as another type than the one wanted."""
    unquoted = "without quotes, in a file for --configfile: --config takes lists and mappings of text alone"
    if found == "null" and "string" not in wanted:
        return f"; write null {unquoted}"
    if isinstance(found, bool) and "string" in wanted:
        return "; YAML reads on, off, yes and no as true and false: a name of that kind takes quotes"
    if not isinstance(found, str) or not {"integer", "number"} & set(wanted):
        return ""
    number = write_number(found, whole="number" not in wanted)
    if number is None:
        return ""
    if "e" in found.lower():
        return f"; write {number}: YAML reads {found} as text"
    return f"; write {number} {unquoted}"


def describe_error(error: jsonschema.ValidationError) -> str:
    """Return one sentence for a schema error: where, what was found, what is allowed."""
    place = ".".join(map(str, error.absolute_path)) or "config"
    found = error.instance
    match error.validator:
        case "additionalProperties":
            known = list(error.schema.get("properties", {}))
            unknown = next(key for key in found if key not in known)
            close = difflib.get_close_matches(str(unknown), known, 1, CLOSE)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            return f"{place}: unknown key {unknown!r}{hint}; allowed are {list_words(known)}"
        case "required":
            missing = next(key for key in error.validator_value if key not in found)
            return f"{place}: the key {missing!r} is missing"
        case "enum":
            return f"{place}: {found!r} is not allowed; allowed are {list_words(error.validator_value)}"
        case "type":
            wanted = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
            allowed = error.schema.get("allowed", " or ".join(wanted))
            return f"{place}: found {found!r}, must be {allowed}{hint_at_type(found, wanted)}"
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            words = {
                "minimum": "at least",
                "maximum": "at most",
                "exclusiveMinimum": "more than",
                "exclusiveMaximum": "less than",
            }[error.validator]
            return f"{place}: found {found!r}, must be {words} {error.validator_value}"
        case "maxLength":
            return f"{place}: found {found!r}, must be at most {error.validator_value} characters"
        case "minItems" | "maxItems" if "allowed" in error.schema:
            return f"{place}: found {found!r}, must be {error.schema['allowed']}"
        case "pattern" | "anyOf":
            return f"{place}: found {found!r}, must be {error.schema['allowed']}"
    return f"{place}: {error.message}"


def check_duplicates(files: list[Path]) -> None:
    """Raise ConfigError on a key that stands twice in one place of a YAML or JSON file: the last would silently win."""
    for file in files:
        # Tabs are white space in JSON, and no YAML key has one.
        text = Path(file).read_text(encoding="utf-8").expandtabs()
        _check_node(Path(file), "", yaml.compose(text, Loader=yaml.SafeLoader))


def _check_node(file: Path, place: str, node: yaml.Node | None) -> None:
    if isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _check_node(file, f"{place}{index}.", value)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[Any, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in lines:
                    raise ConfigError(
                        f"{file}: the key {place}{key.value} stands twice, in lines {lines[key.value]} and {line}, "
                        "but may stand once"
                    )
                lines[key.value] = line
            _check_node(file, f"{place}{key.value}.", value)


def check_schema(config: dict[str, Any], schema: dict[str, Any]) -> None:
    """Raise ConfigError if the configuration does not have the schema's shape."""
    error = jsonschema.exceptions.best_match(StrictValidator(schema).iter_errors(config))
    if error is not None:
        raise ConfigError(describe_error(error))
