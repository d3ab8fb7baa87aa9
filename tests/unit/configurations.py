"""The default configuration, as it is and with changes, for the tests."""

import copy
from pathlib import Path

import yaml

from selectimprove.experiment.config import load_experiment

ROOT = Path(__file__).parents[2]
PRESETS = ROOT / "workflow/presets"
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
DELETE = object()
UNDRAWN = {"figures": {}, "tables": {}, "claims": []}  # for changes that no figure of the default is made for
ALL_RL = [run for run in CONFIG["rl"] if run != "defaults"]


def change(changes: dict) -> dict:
    """Return the default configuration with changes, each {"dotted.key": value or DELETE}."""
    config = copy.deepcopy(CONFIG)
    for place, value in changes.items():
        *path, key = place.split(".")
        target = config
        for part in path:
            target = target[part]
        if value is DELETE:
            del target[key]
        else:
            target[key] = value
    return config


def load(changes: dict):
    return load_experiment(change(changes), SCHEMA)
