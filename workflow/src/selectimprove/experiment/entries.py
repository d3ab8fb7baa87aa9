"""Named entries of a section: their defaults merged in, and what names other entries checked."""

import copy
import fnmatch
from typing import Any

from selectimprove.experiment.experiment import ConfigError
from selectimprove.experiment.schema import list_words


def merge_defaults(defaults: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return `defaults` with `overrides` laid over them, nested mappings key by key."""
    merged = copy.deepcopy(defaults)
    for key, value in overrides.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge_defaults(merged[key], value) if nested else value
    return merged


def merge_entries(entries: dict[str, dict], defaults: dict[str, Any]) -> dict[str, dict]:
    """Return the entries with the defaults merged in."""
    return {name: merge_defaults(defaults, values) for name, values in entries.items()}


def parse_range(place: str, text: str) -> tuple[int, int]:
    """Return "2-5" as (2, 5)."""
    lowest, highest = map(int, text.split("-"))
    if lowest > highest:
        raise ConfigError(f"{place}: found {text!r}, the lower number must come first")
    return lowest, highest


def check_reference(place: str, name: str, what: str, known: Any) -> None:
    """Raise ConfigError unless a name is known; place: the key that names it, what: what it names."""
    if name not in known:
        raise ConfigError(f"{place}: {what} {name!r} is not declared; declared are {list_words(known)}")


def expand_patterns(place: str, patterns: list[str], what: str, known: list[str]) -> list[str]:
    """Return the names that patterns stand for, each once. Raises ConfigError on one that fits none."""
    names: list[str] = []
    for pattern in patterns:
        matching = fnmatch.filter(known, pattern)
        if not matching:
            check_reference(place, pattern, what, known)
        names += matching
    return list(dict.fromkeys(names))
