"""What a figure cannot show is told in one sentence. More: tests/unit/presentation/test_awkward_declarations.py."""

import subprocess
import sys

import pytest
from configurations import load

from selectimprove.experiment.drawings import Needs, read_needs
from selectimprove.experiment.experiment import ConfigError

REFUSED = {
    "forced completions among free ones": (
        {"figures.figure2.suites": ["steps_6_9", "forced_6_9"]},
        "figures.figure2.suites: forced_6_9 has forced strategies, but figure2 shows free openings",
    ),
    "forced completions alone": (
        {"figures.decomposition.suites": ["forced_6_9"]},
        "figures.decomposition.suites: all of them have forced strategies, but decomposition shows free openings",
    ),
    "no forced completions": (
        {"figures.decomposition.suites": ["steps_6_9"]},
        "figures.decomposition.suites: found none, but decomposition needs one beside steps_6_9 whose completions of "
        "rl_6_9 are made to open forward",
    ),
    "one kind alone": (
        {"datasets.rl_6_9.kinds": {"evaluation": 1, "inversion": 0}, "claims": []},
        "figures.figure3.suites: the problems of steps_6_9 are of evaluation (seed 0), but figure3 shows evaluation "
        "and inversion",
    ),
    "no row of the paper's table": (
        {
            "datasets.sft_FB.strategies": "suited",
            "tables": {"table1": {"runs": ["FB_rl_2_5", "FB_rl_6_9"], "suites": ["steps_6_9"]}},
        },
        "tables.table1.runs: none has a place in table1, such as that of model B, stage SFT",
    ),
    "one of two maps": (
        {"figures.text_variants": {"runs": ["FB_rl_6_9"], "suites": ["steps_6_9"]}},
        "figures.text_variants.runs: none of them is of symbol_map stated, for which text_variants has a place",
    ),
    "two suites of one label": (
        {"figures.figure3.suites": ["steps_2_5", "steps_6_9"]},
        "figures.figure3.suites: found steps_2_5, steps_6_9, but figure3 shows one suite with free openings",
    ),
    "lengths of two suites": (
        {"suites.greedy": {"dataset": "rl_6_9", "temperature": 0}, "figures.figure4.suites": ["steps_6_9", "greedy"]},
        "figures.figure4.suites: steps_6_9 and greedy both have problems of 6 steps, which figure4 cannot tell apart",
    ),
    "too few forced problems": (
        {"suites.forced_6_9.problems": 4},
        "figures.forced_skill.suites: forced_6_9 has too few problems: of evaluation with 9 steps, which steps_6_9 "
        "has, there is none for seed 0",
    ),
    "two runs of one cell": (
        {"figures.rl_heatmap": {"runs": ["F_rl_2_5", "F_rl_6_9"], "suites": ["steps_6_9"]}},
        "figures.rl_heatmap.runs: F_rl_2_5 and F_rl_6_9 are both of model F, learning_rate 0.0001, "
        "completions_per_prompt 8, beta 0.05, one place of rl_heatmap",
    ),
    "empty cell": (
        {
            "rl.F_rl_6_9.beta": 0.1,
            "tables.rl_ablation": {"runs": ["F_rl_2_5", "F_rl_6_9", "B_rl_6_9"], "suites": ["steps_6_9"]},
        },
        "tables.rl_ablation.runs: none of them is of model B, learning_rate 0.0001, completions_per_prompt 8, beta "
        "0.1, for which rl_ablation has a place",
    ),
}


@pytest.mark.parametrize(("changes", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_a_figure_cannot_show_is_refused(changes, sentence):
    """Fails on e4aa0fc: each of these was accepted."""
    with pytest.raises(ConfigError) as error:
        load(changes)
    assert str(error.value) == sentence


def test_needs_are_read_with_the_keys_of_a_constant(tmp_path):
    module = tmp_path / "module.py"
    module.write_text('NEEDS = {"runs": "RL", "cells": "LOOKS"}\nLOOKS = {"fixed": object(), ("a", "b"): 1}\n')
    assert read_needs(module) == Needs(runs="RL", cells=(("fixed",), ("a", "b")))
    module.write_text('NEEDS = {"some_of": "LOOKS"}\nLOOKS = {"fixed": object()}\n')
    assert read_needs(module) == Needs(some_of=(("fixed",),))
    module.write_text('"""A module that says nothing takes whatever is declared."""\n')
    assert read_needs(module) == Needs()


def test_needs_of_a_module_are_known_ones(tmp_path):
    module = tmp_path / "module.py"
    module.write_text('NEEDS = {"run": "RL"}')
    with pytest.raises(TypeError, match="unexpected keyword argument 'run'"):
        read_needs(module)


def test_checking_imports_nothing_that_draws():
    heavy = {"matplotlib", "pandas", "torch"}
    check = f"import sys, selectimprove.experiment.config; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
