"""Specs as text: what is written is read back, and another value gives another digest."""

import json

import pytest
from configurations import load

from selectimprove.experiment.specs import (
    EvaluationSpec,
    FigureSpec,
    PretrainSpec,
    ReportSpec,
    RLSpec,
    SFTSpec,
    digest_specs,
    dump_spec,
    parse_spec,
)
from selectimprove.tasks.specs import DataSpec

SPECS = {
    "data": (DataSpec, lambda experiment: experiment.make_data_spec("sft_FB", 1)),
    "prompts": (DataSpec, lambda experiment: experiment.make_data_spec("rl_6_9", 1)),
    "pretrain": (PretrainSpec, lambda experiment: experiment.make_pretrain_spec("gf11", 1)),
    "sft": (SFTSpec, lambda experiment: experiment.make_sft_spec("FB", 1)),
    "rl": (RLSpec, lambda experiment: experiment.make_rl_spec("FB_rl_6_9", 1)),
    "evaluation": (EvaluationSpec, lambda experiment: experiment.make_evaluation_spec("FB_rl_6_9", "steps_6_9", 1)),
    "figure": (FigureSpec, lambda experiment: experiment.make_figure_spec("figure4")),
    "table": (FigureSpec, lambda experiment: experiment.make_figure_spec("table1")),
    "report": (ReportSpec, lambda experiment: experiment.make_report_spec()),
}
each_spec = pytest.mark.parametrize(("cls", "make"), SPECS.values(), ids=SPECS)


@each_spec
def test_spec_round_trip(cls, make, experiment) -> None:
    spec = make(experiment)
    assert isinstance(spec, cls)
    parsed = parse_spec(cls, dump_spec(spec))
    assert parsed == spec
    assert "\n" not in dump_spec(spec)


@each_spec
def test_order_of_keys_does_not_matter(cls, make, experiment) -> None:
    """Equal specs have one text and one digest, however their shares were written."""
    spec = make(experiment)
    turned = parse_spec(cls, json.dumps(turn_around(json.loads(dump_spec(spec)))))
    assert (dump_spec(turned), digest_specs(turned)) == (dump_spec(spec), digest_specs(spec))


def turn_around(values):
    """Return `values` with the keys of every mapping in reverse order."""
    return {key: turn_around(values[key]) for key in reversed(values)} if isinstance(values, dict) else values


def test_spec_with_lora_round_trip() -> None:
    experiment = load({"sft.F.lora": {"rank": 4, "alpha": 8, "dropout": 0.05}})
    spec = experiment.make_sft_spec("F", 0)
    assert spec.lora.rank == 4
    assert parse_spec(SFTSpec, dump_spec(spec)) == spec


@each_spec
def test_spec_of_other_names_is_refused(cls, make, experiment) -> None:
    values = json.loads(dump_spec(make(experiment)))
    with pytest.raises(TypeError):
        parse_spec(cls, json.dumps({**values, "surprise": 1}))
    first = next(iter(cls.__dataclass_fields__))
    with pytest.raises(TypeError):
        parse_spec(cls, json.dumps({key: value for key, value in values.items() if key != first}))


def vary(values):
    """Yield `values` with each leaf changed in turn."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield from ({**values, key: varied} for varied in vary(value))
    elif isinstance(values, list):
        for index, value in enumerate(values):
            yield from ([*values[:index], varied, *values[index + 1 :]] for varied in vary(value))
    elif isinstance(values, bool):
        yield not values
    elif isinstance(values, str):
        yield values + "x"
    else:
        yield (values or 0) + 1


@each_spec
def test_digest_changes_with_any_value(cls, make, experiment) -> None:
    spec = make(experiment)
    varied = [parse_spec(cls, json.dumps(values)) for values in vary(json.loads(dump_spec(spec)))]
    assert len(varied) >= len(cls.__dataclass_fields__)
    digests = {digest_specs(other) for other in varied}
    assert len(digests) == len(varied)
    assert digest_specs(spec) not in digests
    assert digest_specs(spec) == digest_specs(make(load({})))
