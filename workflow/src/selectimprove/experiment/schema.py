"""The shape of a configuration: a JSON schema whose errors are told in one sentence each."""

import difflib
import math
from typing import Any

import jsonschema

from selectimprove.experiment.experiment import ConfigError


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


def describe_error(error: jsonschema.ValidationError) -> str:
    """Return one sentence for a schema error: where, what was found, what is allowed."""
    place = ".".join(map(str, error.absolute_path)) or "config"
    found = error.instance
    match error.validator:
        case "additionalProperties":
            known = list(error.schema.get("properties", {}))
            unknown = next(key for key in found if key not in known)
            close = difflib.get_close_matches(str(unknown), known, 1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            return f"{place}: unknown key {unknown!r}{hint}; allowed are {list_words(known)}"
        case "required":
            missing = next(key for key in error.validator_value if key not in found)
            return f"{place}: the key {missing!r} is missing"
        case "enum":
            return f"{place}: {found!r} is not allowed; allowed are {list_words(error.validator_value)}"
        case "type":
            wanted = error.validator_value
            return f"{place}: found {found!r}, must be {' or '.join([wanted] if isinstance(wanted, str) else wanted)}"
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            words = {
                "minimum": "at least",
                "maximum": "at most",
                "exclusiveMinimum": "more than",
                "exclusiveMaximum": "less than",
            }[error.validator]
            return f"{place}: found {found!r}, must be {words} {error.validator_value}"
        case "pattern":
            return f"{place}: found {found!r}, must be {error.schema['description']}"
    return f"{place}: {error.message}"


def check_schema(config: dict[str, Any], schema: dict[str, Any]) -> None:
    """Raise ConfigError if the configuration does not have the schema's shape."""
    error = jsonschema.exceptions.best_match(StrictValidator(schema).iter_errors(config))
    if error is not None:
        raise ConfigError(describe_error(error))
