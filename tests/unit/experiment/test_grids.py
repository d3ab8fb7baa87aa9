"""Grids: what each stands for, each mistake in one error that names the entry, and what the shipped presets declare."""

import copy
import re

import pytest
import yaml
from configurations import CONFIG, PRESETS, SCHEMA

from selectimprove.experiment.config import load_experiment, merge_defaults
from selectimprove.experiment.grids import expand_grids

TWO_AXES = yaml.safe_load("""
"{model}_rl_{setting}":
  grid:
    model: [F, FB]
    setting: {long: {updates: 200, dataset: "{setting}_data"}, plain: {}}
  start: "{model}"
  updates: 100
  dataset: data
""")


def test_list_axis_and_mapping_axis() -> None:
    """Every label of one axis with every label of the other; what a label overrides is laid over the common keys."""
    assert expand_grids("rl", TWO_AXES) == {
        "F_rl_long": {"start": "F", "updates": 200, "dataset": "long_data"},
        "F_rl_plain": {"start": "F", "updates": 100, "dataset": "data"},
        "FB_rl_long": {"start": "FB", "updates": 200, "dataset": "long_data"},
        "FB_rl_plain": {"start": "FB", "updates": 100, "dataset": "data"},
    }


def test_axes_vary_in_the_order_of_the_name() -> None:
    """The last placeholder of the name varies fastest, however the grid is written."""
    entry = {"grid": {"b": ["3", "1"], "a": ["y", "x"]}}
    assert list(expand_grids("rl", {"{a}_{b}": entry})) == ["y_3", "y_1", "x_3", "x_1"]


def test_labels_of_both_axes_can_override() -> None:
    grid = {"a": {"x": {"beta": 1}, "y": {"beta": 2}}, "b": {"z": {"updates": 3}}}
    made = expand_grids("rl", {"{a}{b}": {"grid": grid, "beta": 0, "updates": 0, "loss": 0}})
    assert made == {"xz": {"beta": 1, "updates": 3, "loss": 0}, "yz": {"beta": 2, "updates": 3, "loss": 0}}


def test_a_label_overrides_nested_keys_alone() -> None:
    entry = {"grid": {"share": {"x": {"pretrain": {"forward_share": 0.5}}}}, "pretrain": {"updates": 1200}}
    assert expand_grids("tasks", {"{share}": entry}) == {"x": {"pretrain": {"updates": 1200, "forward_share": 0.5}}}


def test_placeholders_are_filled_in_nested_values() -> None:
    """In words at any depth and as often as they stand there; keys, numbers and other braces stay as they are."""
    entry = {
        "grid": {"a": ["F"], "b": {"6_9": {"own": ["{a}", {"of": "{b}"}]}}},
        "runs": ["{a}", ["{a}_{b}_{a}"]],
        "nested": {"{a}": {"deep": "to {b}"}},
        "numbers": [1, 2.5, None, True],
        "other": "{c} {",
    }
    made = expand_grids("figures", {"{a}_{b}_{a}": entry})
    assert made == {
        "F_6_9_F": {
            "runs": ["F", ["F_6_9_F"]],
            "nested": {"{a}": {"deep": "to 6_9"}},
            "numbers": [1, 2.5, None, True],
            "other": "{c} {",
            "own": ["F", {"of": "6_9"}],
        }
    }


def test_entries_without_a_grid_stay_as_they_are_and_in_order() -> None:
    """A grid opens where it stands, and braces in the values of a plain entry mean nothing."""
    plain = {"start": "{model}", "nested": {"list": [1, "{a}"]}}
    entries = {"defaults": {"beta": 0}, "last": plain, "r_{a}": {"grid": {"a": ["x", "y"]}}, "first": None}
    made = expand_grids("rl", entries)
    assert list(made) == ["defaults", "last", "r_x", "r_y", "first"]
    assert (made["defaults"], made["last"], made["first"]) == ({"beta": 0}, plain, None)


def test_entries_of_a_grid_share_nothing() -> None:
    """A change of one expanded entry leaves its neighbours and the grid alone."""
    entries = {"r_{a}": {"grid": {"a": {"x": {}, "y": {"own": [1]}}}, "sizes": {"train": 1}, "runs": ["{a}"]}}
    before = copy.deepcopy(entries)
    made = expand_grids("rl", entries)
    made["r_x"]["sizes"]["train"] = 2
    made["r_y"]["runs"].append("z")
    made["r_y"]["own"].append(2)
    assert (made["r_y"]["sizes"], made["r_x"]["runs"]) == ({"train": 1}, ["x"])
    assert entries == before


MISTAKES = {
    # a grid and a name that do not fit
    "grid of another placeholder": (
        {"r_{a}": {"grid": {"b": ["x"]}}},
        r"rl\.r_\{a\}\.grid: found b, must have the placeholders of the name: a",
    ),
    "grid of one placeholder too many": (
        {"r_{a}": {"grid": {"a": ["x"], "b": ["x"]}}},
        r"rl\.r_\{a\}\.grid: found a, b, must have the placeholders of the name: a",
    ),
    "grid of one placeholder too few": (
        {"{a}_{b}": {"grid": {"a": ["x"]}}},
        r"rl\.\{a\}_\{b\}\.grid: found a, must have the placeholders of the name: a, b",
    ),
    "grid with a number among its placeholders": (
        {"r_{a}": {"grid": {"a": ["x"], 9: ["x"]}}},
        r"rl\.r_\{a\}\.grid: found a, 9, must",
    ),
    "placeholder without grid": ({"r_{a}": {"start": "F"}}, r"rl\.r_\{a\}\.grid: found none, must have .*: a"),
    "placeholder over an entry that is no mapping": ({"r_{a}": ["x"]}, r"rl\.r_\{a\}\.grid: found none, must have"),
    "grid without placeholder": ({"r": {"grid": {"a": ["x"]}}}, r"rl\.r\.grid: found a, must have .*: none"),
    "grid that is a list": ({"r_{a}": {"grid": ["a"]}}, r"rl\.r_\{a\}\.grid: found none, must have .*: a"),
    "grid that is nothing": ({"r": {"grid": None}}, r"rl\.r\.grid: found none, must have .*: none"),
    # axes
    "empty list": ({"r_{a}": {"grid": {"a": []}}}, r"rl\.r_\{a\}\.grid\.a: found \[\], must be a list of labels"),
    "empty mapping": ({"r_{a}": {"grid": {"a": {}}}}, r"rl\.r_\{a\}\.grid\.a: found \{\}, must be a list of labels"),
    "axis of nothing": ({"r_{a}": {"grid": {"a": None}}}, r"rl\.r_\{a\}\.grid\.a: found None, must be a list"),
    "axis of one word": ({"r_{a}": {"grid": {"a": "xy"}}}, r"rl\.r_\{a\}\.grid\.a: found 'xy', must be a list"),
    # labels and what they override
    "number as a label": ({"r_{a}": {"grid": {"a": [69]}}}, r"rl\.r_\{a\}\.grid\.a: found the label 69, .*quoted"),
    "number as the key of a mapping": (
        {"r_{a}": {"grid": {"a": {5: {"beta": 1}}}}},
        r"rl\.r_\{a\}\.grid\.a: found the label 5, must be letters",
    ),
    "truth as a label": ({"r_{a}": {"grid": {"a": [True]}}}, r"rl\.r_\{a\}\.grid\.a: found the label True"),
    "hyphen in a label": ({"r_{a}": {"grid": {"a": ["6-9"]}}}, r"rl\.r_\{a\}\.grid\.a: found the label '6-9', must be"),
    "placeholder as a label": ({"r_{a}": {"grid": {"a": ["{a}"]}}}, r"rl\.r_\{a\}\.grid\.a: found the label '\{a\}'"),
    "label of no letters": ({"r_{a}": {"grid": {"a": [""]}}}, r"rl\.r_\{a\}\.grid\.a: found the label ''"),
    "label that ends in a new line": ({"r_{a}": {"grid": {"a": ["x\n"]}}}, r"rl\.r_\{a\}\.grid\.a: found the label"),
    "list as a label": ({"r_{a}": {"grid": {"a": [["x"]]}}}, r"rl\.r_\{a\}\.grid\.a: found "),
    "mapping in a list of labels": ({"r_{a}": {"grid": {"a": [{"x": {"beta": 1}}]}}}, r"rl\.r_\{a\}\.grid\.a: found "),
    "override that is a number": (
        {"r_{a}": {"grid": {"a": {"x": {}, "y": 0.1}}}},
        r"rl\.r_\{a\}\.grid\.a\.y: found 0\.1, must be a mapping",
    ),
    "override that is nothing": ({"r_{a}": {"grid": {"a": {"x": None}}}}, r"rl\.r_\{a\}\.grid\.a\.x: found None"),
    # names
    "name given by two grids": (
        {"r_{a}": {"grid": {"a": ["x"]}}, "{a}_x": {"grid": {"a": ["q", "r"]}}},
        r"rl\.\{a\}_x: the name 'r_x' is given twice",
    ),
    "name given by an entry and then a grid": (
        {"r_x": {}, "r_{a}": {"grid": {"a": ["x"]}}},
        r"rl\.r_\{a\}: the name 'r_x' is given twice",
    ),
    "name given by a grid and then an entry": (
        {"r_{a}": {"grid": {"a": ["x"]}}, "r_x": {}},
        r"rl\.r_\{a\}: the name 'r_x' is given twice",
    ),
    "name given twice by one grid": (
        {"{a}_{b}": {"grid": {"a": ["1", "1_2"], "b": ["3", "2_3"]}}},
        r"rl\.\{a\}_\{b\}: the name '1_2_3' is given twice",
    ),
    "label given twice": ({"r_{a}": {"grid": {"a": ["B", "B"]}}}, r"rl\.r_\{a\}"),
}


@pytest.mark.parametrize(("entries", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_told_in_one_line_that_names_the_entry(entries, message) -> None:
    with pytest.raises(ValueError) as error:
        expand_grids("rl", entries)
    told = str(error.value)
    assert re.match(message, told), told
    assert told.splitlines() == [told]


def test_unquoted_digits_are_refused_as_yaml_reads_them() -> None:
    """YAML takes 6_9 for the number 69."""
    entries = yaml.safe_load('"rl_{steps}": {grid: {steps: [6_9]}}')
    with pytest.raises(ValueError, match=r"^datasets\.rl_\{steps\}\.grid\.steps: found the label 69, .*quoted"):
        expand_grids("datasets", entries)


def load_preset(name: str | None):
    preset = yaml.safe_load((PRESETS / f"{name}.yaml").read_text()) if name else {}
    return load_experiment(merge_defaults(CONFIG, preset), SCHEMA)


def count_entries(experiment) -> dict[str, int]:
    return {
        "datasets": len(experiment.datasets),
        "SFT runs": len(experiment.sft_values),
        "RL runs": len(experiment.rl_values),
        "evaluations": len(experiment.list_evaluations()),
        "figures": len(experiment.figures),
        "tables": len(experiment.tables),
    }


# What config.yaml declares: F, B and FB, each trained on 2-5 and on 6-9 steps. All nine models are evaluated on 2-5 and
# on 6-9 steps, opening freely and forced; pass@k is of the three from SFT and the three trained on 6-9 steps.
FREE = 9 * 2
CORE = {
    "datasets": 3 + 2,
    "SFT runs": 3,
    "RL runs": 3 * 2,
    "evaluations": FREE + 9 * 2 + (3 + 3),
    "figures": 3 + 6,
    "tables": 2,
}


def test_default_configuration_declares_the_core() -> None:
    assert count_entries(load_preset(None)) == CORE


def test_full_preset_declares_every_run() -> None:
    mixtures, bands, forward_shares, taught_parts, rates, settings = 4, 3, 4, 2, 2, 2**3
    assert count_entries(load_preset("full")) == {
        "datasets": CORE["datasets"]
        + mixtures  # amplification
        + 2  # difficulty: 6-15 steps to train on, 10-15 to evaluate on
        + (1 + bands)  # curation: candidates, and what is filtered from them
        + forward_shares  # diversity
        + (taught_parts + 2)  # composition: SFT; RL on 3-5 parts, evaluation on 1-6
        + (3 + 2)  # GF(13): SFT of F, B and FB; RL on 2-5 and on 6-9 steps
        + 2,  # stated maps: SFT of FB; RL on 6-9 steps
        "SFT runs": CORE["SFT runs"]
        + forward_shares
        + taught_parts
        + (3 + 1)  # GF(13); stated maps: FB alone
        + 3 * rates,  # ablation of SFT
        "RL runs": CORE["RL runs"]
        + mixtures
        + (3 + 3)  # difficulty: F, B and FB on 6-15 steps; three stages of a curriculum
        + (1 + bands)  # curation
        + forward_shares
        + taught_parts
        + (3 * 2 + 1)  # GF(13): F, B and FB on 2-5 and on 6-9 steps; stated maps: FB on 6-9 alone
        + 3 * settings,  # ablation of RL
        "evaluations": CORE["evaluations"]
        + mixtures  # FB and its RL on an even mixture are of the core
        # difficulty: F, B and FB after SFT and after RL on three data sets, and the end of the curriculum, on three
        # suites; the free evaluations of the core are among them
        + ((3 + 3 * 3 + 1) * 3 - FREE)
        # curation: each RL run on three suites, opening freely and forced; of FB, what neither of the others takes
        + ((1 + bands) * 3 * 2 + 1)
        + 2 * forward_shares  # each share's SFT model and its RL model
        + 2 * taught_parts
        + (3 + 3 * 2)  # GF(13): SFT models and RL models on 6-9 steps
        + 2  # stated maps: the SFT model and its RL model
        + 3 * rates  # F, B and FB themselves are of the core
        + 3 * settings,
        # amplification, composition, difficulty, curation, field, ablation of RL, diversity, stated maps
        "figures": CORE["figures"] + 8,
        # field, ablation of SFT, ablation of RL
        "tables": CORE["tables"] + 3,
    }


def test_smoke_preset_declares_few_runs() -> None:
    assert count_entries(load_preset("smoke")) == {
        # a mixture, 6-15 steps, a band, a forward share, SFT and RL on parts; GF(13) and stated maps: SFT of FB and RL
        "datasets": CORE["datasets"] + 6 + 2 * 2,
        # a forward share, parts, GF(13), stated maps, a learning rate
        "SFT runs": CORE["SFT runs"] + 5,
        # a mixture, a curriculum, a band, a forward share, parts, GF(13), stated maps, an ablation
        "RL runs": CORE["RL runs"] + 8,
        "evaluations": CORE["evaluations"]
        + 1  # the mixture
        + 2  # the curriculum on two suites; the others of its figure are of the core
        + 2  # the band, opening freely and forced; so are the others of its figure
        + 4 * 2  # the forward share, parts, GF(13), stated maps: SFT model and RL model
        + 1  # the learning rate
        + 1,  # the ablation
        "figures": CORE["figures"] + 8,
        "tables": CORE["tables"] + 2,
    }


def list_experiment_runs(experiment, name: str) -> set[str]:
    """Return the runs that the figures and tables of one experiment draw."""
    drawn = experiment.list_experiments().get(name, {"figures": [], "tables": []})
    entries = [experiment.find_figure(figure) for figure in (*drawn["figures"], *drawn["tables"])]
    return {run for values in entries for run in values["runs"]}


def test_smoke_preset_has_a_run_of_every_experiment() -> None:
    """A run of its own, beside those of the core that its figures also draw."""
    core, full, smoke = map(load_preset, [None, "full", "smoke"])
    experiments = set(full.list_experiments())
    assert experiments == {
        "core",
        "amplification",
        "composition",
        "difficulty",
        "curation",
        "field",
        "ablations",
        "diversity",
        "text_variants",
    }
    core_runs = {*core.sft_values, *core.rl_values}
    for name in experiments - {"core"}:
        assert list_experiment_runs(full, name) - core_runs, name
        assert list_experiment_runs(smoke, name) - core_runs, name


def test_full_preset_leaves_the_core_as_it_is() -> None:
    """Its results lie beside those of config.yaml, so every spec of the core must stay what it was."""
    core, full = load_preset(None), load_preset("full")
    assert full.preset == core.preset
    for run in core.sft_values:
        assert full.make_sft_spec(run, 0) == core.make_sft_spec(run, 0)
    for run in core.rl_values:
        assert full.make_rl_spec(run, 0) == core.make_rl_spec(run, 0)
    for dataset in core.datasets:
        assert full.make_data_spec(dataset, 0) == core.make_data_spec(dataset, 0)
    for run, suite in core.list_evaluations():
        assert full.make_evaluation_spec(run, suite, 0) == core.make_evaluation_spec(run, suite, 0)
    for name in [*core.figures, *core.tables]:
        assert full.make_figure_spec(name) == core.make_figure_spec(name)
