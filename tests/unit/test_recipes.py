"""The code of each stage whose results follow its recipe_version alone, pinned."""

from pathlib import Path

import pytest
import yaml

from selectimprove.experiment.specs import (
    ConvertSpec,
    EvaluationSpec,
    FilteredDataSpec,
    PassRateSpec,
    PretrainSpec,
    RLSpec,
    SFTSpec,
)
from selectimprove.provenance.code import digest_code
from selectimprove.tasks.specs import DataSpec

PINS = Path(__file__).with_name("recipes.yaml")
STAGES = {
    "data": (DataSpec, "tasks.data"),
    "convert": (ConvertSpec, "training.convert"),
    "pretrain": (PretrainSpec, "training.pretrain"),
    "sft": (SFTSpec, "training.sft"),
    "rl": (RLSpec, "training.grpo"),
    "pass_rates": (PassRateSpec, "measurement.pass_rates"),
    "filtered_data": (FilteredDataSpec, "measurement.filtering"),
    "evaluation": (EvaluationSpec, "measurement.evaluation"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_code_of_a_stage_changes_with_its_version_or_not_at_all(stage):
    spec, module = STAGES[stage]
    found = {
        "recipe_version": spec.recipe_version,
        "code": digest_code(f"selectimprove.{module}", rooms=("tasks", "training", "measurement"))[:16],
    }
    pinned = yaml.safe_load(PINS.read_text())[stage]
    assert found == pinned, (
        f"the code of the stage {stage} is not what {PINS.name} pins: if results change, raise recipe_version of "
        f"{spec.__name__}, and old results are made again; if they do not, leave it; in both cases pin {found} there"
    )


def test_pins_are_of_these_stages():
    assert set(yaml.safe_load(PINS.read_text())) == set(STAGES)
