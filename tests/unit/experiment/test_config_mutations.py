"""Whatever stands in the configuration, it loads or is refused in one line."""

import copy
import re

import pytest
from configurations import SCHEMA, change
from hypothesis import given
from hypothesis import strategies as st

from selectimprove.experiment.config import load_experiment
from selectimprove.experiment.experiment import KEY_SETTINGS, ConfigError

WORDS = st.sampled_from(
    [
        "",
        "FB",
        "rl_6_9",
        "sft_FB",
        "gf11",
        "2-5",
        "5-2",
        "0-1",
        "1-99999",
        "suited",
        "*",
        "{x}",
        "{",
        "null",
        "../x",
        "é\n",
    ]
)
NUMBERS = st.integers(-2, 70000) | st.floats() | st.sampled_from([0, 1, 2**70, 1e308])
LEAVES = st.none() | st.booleans() | NUMBERS | WORDS | st.text(max_size=3) | st.dates()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=3)
)


def list_places(node, path=()):
    """Return the path of every value below a node."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, value in items for place in ((*path, key), *list_places(value, (*path, key)))]


# The default configuration and what it has no example of: a data set that is filtered.
FILTERED = {"from": "rl_6_9", "filter": {"run": "FB", "pass_rate": [0.1, 0.5], "samples": 8}, "sizes": {"train": 320}}
START = change({"datasets.rl_middle": FILTERED, "rl.FB_rl_middle": {"start": "FB", "dataset": "rl_middle"}})
PLACES = list_places(START)


@st.composite
def mutated_configs(draw):
    """Return that configuration with one to three values replaced, deleted, moved or added."""
    config = copy.deepcopy(START)
    for _ in range(draw(st.integers(1, 3))):
        *path, key = draw(st.sampled_from(PLACES))
        parent = config
        try:
            for step in path:
                parent = parent[step]
            old = parent[key]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
        change = draw(st.sampled_from(["replace", "delete", "add", "nest"]))
        if change == "replace":
            parent[key] = draw(VALUES)
        elif change == "delete":
            del parent[key]
        elif change == "nest":
            parent[key] = {draw(WORDS): old}
        elif isinstance(parent, dict):
            parent[draw(WORDS | st.integers() | st.none())] = draw(VALUES | st.just(old))
    return config


@pytest.mark.fuzz
@given(config=mutated_configs() | VALUES)
def test_any_configuration_loads_or_is_refused_in_one_line(config) -> None:
    """And no name of one that loads, which become paths and parts of commands, has more than letters and digits."""
    try:
        experiment = load_experiment(config, SCHEMA)
    except ConfigError as error:
        assert str(error).splitlines() == [str(error)]
        return
    entries = (experiment.datasets, experiment.sft_values, experiment.rl_values, experiment.suites, experiment.tasks)
    names = [experiment.preset, *experiment.figures, *experiment.tables, *(name for names in entries for name in names)]
    assert all(re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) for name in names)
    for name in [*experiment.figures, *experiment.tables]:
        experiment.make_figure_spec(name)
    for run in [*experiment.sft_values, *experiment.rl_values]:
        assert set(experiment.make_run_spec(run, 0).__dict__) & set(KEY_SETTINGS)
