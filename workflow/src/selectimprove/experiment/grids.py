"""The grid form of the configuration: one entry that stands for many named ones.

    rl:
      "{model}_rl_6_9_{setting}":
        grid:
          model: [F, B, FB]
          setting: {beta_2x: {beta: 0.1}, group_2x: {completions_per_prompt: 16}}
        start: "{model}"
        dataset: rl_6_9

stands for six runs, from F_rl_6_9_beta_2x to FB_rl_6_9_group_2x. A placeholder in braces takes each of its labels in
turn, in the name and in every word of the entry; a mapping also says which keys a label overrides, nested ones key by
key. Labels of digits are quoted.
"""

import itertools
import re
from typing import Any

from selectimprove.experiment.entries import merge_defaults

PLACEHOLDER = re.compile(r"\{(\w*)\}")


def expand_grids(place: str, entries: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of section `place` with every grid replaced by the entries that it stands for.

    Raises ValueError, naming the entry, on a grid that is none or that does not fit its name, or on a name given twice.
    """
    expanded: dict[str, Any] = {}
    for pattern, values in entries.items():
        names = list(dict.fromkeys(PLACEHOLDER.findall(str(pattern))))
        if not names and not (isinstance(values, dict) and "grid" in values):
            made = {pattern: values}
        else:
            made = _expand_entry(f"{place}.{pattern}", pattern, names, values)
        for name, entry in made.items():
            if name in expanded or (name != pattern and name in entries):
                raise ValueError(f"{place}.{pattern}: the name {name!r} is given twice")
            expanded[name] = entry
    return expanded


def _expand_entry(place: str, pattern: str, names: list[str], values: Any) -> dict[str, Any]:
    """Return what one grid entry stands for; names: the placeholders in its name."""
    grid = values.get("grid") if isinstance(values, dict) else None
    if not isinstance(grid, dict) or set(grid) != set(names):
        found = ", ".join(map(str, grid)) if isinstance(grid, dict) and grid else "none"
        raise ValueError(
            f"{place}.grid: found {found}, must have the placeholders of the name: {', '.join(names) or 'none'}"
        )
    axes = []
    for name in names:
        labels = grid[name]
        if not isinstance(labels, dict | list) or not labels:
            raise ValueError(f"{place}.grid.{name}: found {labels!r}, must be a list of labels or a mapping from them")
        overrides = list(labels.items()) if isinstance(labels, dict) else [(label, {}) for label in labels]
        for label, override in overrides:
            # YAML reads 6_9 as the number 69, so a number is refused rather than written out again.
            if not isinstance(label, str) or not re.fullmatch(r"\w+", label):
                raise ValueError(
                    f"{place}.grid.{name}: found the label {label!r}, must be letters, digits and underscores, quoted "
                    "if they are digits"
                )
            if not isinstance(override, dict):
                raise ValueError(
                    f"{place}.grid.{name}.{label}: found {override!r}, must be a mapping of what it overrides"
                )
        axes.append(overrides)
    common = {key: value for key, value in values.items() if key != "grid"}
    made = {}
    for cell in itertools.product(*axes):
        labels = {name: label for name, (label, _) in zip(names, cell, strict=True)}
        entry = dict(common)
        for _, override in cell:
            entry = merge_defaults(entry, override)
        name = _fill(pattern, labels)
        if name in made:
            raise ValueError(f"{place}: the name {name!r} is given twice")
        made[name] = _fill(entry, labels)
    return made


def _fill(value: Any, labels: dict[str, str]) -> Any:
    """Return the value with each placeholder that has a label filled in, nested values included."""
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda match: labels.get(match[1], match[0]), value)
    if isinstance(value, dict):
        return {key: _fill(entry, labels) for key, entry in value.items()}
    if isinstance(value, list):
        return [_fill(entry, labels) for entry in value]
    return value
