"""Data of field arithmetic, to the byte as it was before there were other tasks: what was published came from it.

But for several parts in symbolic words, whose marks say what is asked since then.
"""

import dataclasses
import hashlib
import json

import pytest

from selectimprove.tasks.data import make_rows
from selectimprove.tasks.field import Field
from selectimprove.tasks.specs import SPLITS, DatasetSpec, DataSpec, TaskSpec
from selectimprove.tasks.symbolic import SymbolicText

HALVES = {"evaluation": 0.5, "inversion": 0.5}
SIZES = {"train": 50, "validation": 10, "test": 20}


def make_field(order: int, symbol_map: str) -> TaskSpec:
    return TaskSpec("field", {"order": order, "symbol_map": symbol_map})


def digest(lines) -> str:
    return hashlib.sha256("".join(json.dumps(line) + "\n" for line in lines).encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("order", "symbol_map", "text", "parts", "expected"),
    [
        (11, "fixed", "symbolic", (1, 1), "9f9fabcefe017d24"),
        (11, "fixed", "sentences", (1, 1), "a3a4b1d3183a7a20"),
        (13, "stated", "symbolic", (1, 1), "70c9312fc3cfc598"),
        (5, "stated", "sentences", (1, 3), "72cb6eeffe21e4e6"),
        (11, "fixed", "symbolic", (1, 3), "a270171fcc234c60"),
    ],
)
def test_rows(order, symbol_map, text, parts, expected) -> None:
    dataset = DatasetSpec("data", "task", parts, (2, 4), HALVES, {"forward": 0.5, "backward": 0.5}, SIZES)
    spec = DataSpec(dataset, make_field(order, symbol_map), text, 3)
    assert digest(row for split in SPLITS for row in make_rows(spec, split)) == expected


@pytest.mark.parametrize(
    ("symbol_map", "parts", "logs", "facts"),
    [
        ("fixed", (1, 1), "8f9fa7bc5b272661", "dd56a252a5ee6aa6"),
        ("stated", (1, 3), "53e64fc227077043", "5f1b6f4f2d99ca1b"),
    ],
)
def test_corpus(symbol_map, parts, logs, facts) -> None:
    from tiny_models import make_pretrain_spec  # here, since it imports torch

    from selectimprove.training.pretrain import write_facts, write_log

    spec = dataclasses.replace(make_pretrain_spec(parts=parts), task=make_field(11, symbol_map))
    assert digest(write_log(spec, index) for index in range(50)) == logs
    assert digest(write_facts(spec, index) for index in range(50)) == facts


def test_vocabulary() -> None:
    assert digest(SymbolicText().vocabulary(Field.shuffled(11, 0))) == "65b82a5c9b2c9201"
