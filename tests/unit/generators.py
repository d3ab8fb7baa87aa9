"""Hypothesis generators of fields, problems and traces, and oracles that share no code with the library."""

import random

import pytest
from hypothesis import strategies as st

from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import Composition, Problem
from selectimprove.tasks.specs import KINDS
from selectimprove.tasks.strategies import STRATEGIES
from selectimprove.tasks.texts import TEXT_FORMS
from selectimprove.tasks.traces import SIGNS, Trace, TraceStep

PRIMES = [number for number in range(5, 98) if all(number % divisor for divisor in range(2, number))]
LABEL_POOL = 24
LONGEST = 15

each_text = pytest.mark.parametrize("text", TEXT_FORMS.values(), ids=TEXT_FORMS)


# Built once, since hypothesis checks each new generator; numbers are then brought into the field drawn.
NUMBERS = st.integers(0, 96)
NAMES = st.sampled_from(["x", "y"])
LABELS = st.integers(1, 99)
SHUFFLES = st.integers(0, 2**32)
ORDERS = st.sampled_from(PRIMES)
OPERATIONS = st.lists(st.tuples(st.sampled_from(["add", "multiply"]), NUMBERS), min_size=1, max_size=LONGEST)
STEPS = st.lists(st.tuples(LABELS, st.sampled_from(list(SIGNS)), NUMBERS, NUMBERS, NUMBERS), max_size=LONGEST)
PIECES = st.text(max_size=2) | st.sampled_from(
    ["", "x", "y", "e0", "e1", "e01", "e98", "L1", "L0", "A", "Answer:", "1", "٣", " ", "\n", "?", ":", "+", "M"]
)


@st.composite
def fields(draw) -> Field:
    """Return GF(p) for any allowed p, with any symbol map."""
    elements = list(range(draw(ORDERS)))
    random.Random(draw(SHUFFLES)).shuffle(elements)
    return Field(len(elements), tuple(elements))


@st.composite
def problems(draw) -> Problem:
    """Return a problem of either kind over any field, with or without a stated map."""
    field = draw(fields())
    operations = tuple((operator, number % (field.order - 1) + 1) for operator, number in draw(OPERATIONS))
    return Problem(
        kind=draw(st.sampled_from(["evaluation", "inversion"])),
        field=field,
        start=draw(NUMBERS) % field.order,
        operations=operations,
        first_label=draw(LABELS) % (LABEL_POOL - len(operations) + 1) + 1,
        stated_map=draw(st.booleans()),
    )


@st.composite
def compositions(draw) -> Composition:
    """Return two to four parts over any field, every value worked out by the tests' own arithmetic."""
    field = draw(fields())
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=2, max_size=4))
    stream = random.Random(draw(st.integers(0, 2**32)))
    lengths = [stream.randint(1, 4) for _ in kinds]
    label = stream.randint(1, LABEL_POOL - sum(lengths) + 1)
    value = stream.randrange(field.order)
    parts = []
    for kind, length in zip(kinds, lengths, strict=True):
        operations = tuple(
            (stream.choice(["add", "multiply"]), stream.randrange(1, field.order)) for _ in range(length)
        )
        start = value
        if kind == "inversion":
            start = next(start for start in range(field.order) if run_chain(start, operations, field.order) == value)
        parts.append(Problem(kind, field, start, operations, label))
        value = run_chain(start, operations, field.order) if kind == "evaluation" else start
        label += length
    return Composition(tuple(parts), draw(st.booleans()))


@st.composite
def answered(draw) -> tuple[Composition, list[str]]:
    """Return a composition and a strategy for each of its parts."""
    problem = draw(compositions())
    return problem, [draw(st.sampled_from(list(STRATEGIES))) for _ in problem.parts]


@st.composite
def fields_and_traces(draw) -> tuple[Field, Trace]:
    """Return a field and a trace of any content, right or wrong."""
    field = draw(fields())
    steps = tuple(
        TraceStep(label, operator, *(number % field.order for number in numbers))
        for label, operator, *numbers in draw(STEPS)
    )
    opening, *answer = (draw(NUMBERS) % field.order for _ in range(3))
    return field, Trace((draw(NAMES), opening), steps, tuple(answer))


@st.composite
def mutations(draw, text: str) -> str:
    """Return `text` with one to three small edits: a few characters cut, doubled, or replaced."""
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(0, len(text)))
        last = draw(st.integers(first, min(len(text), first + 6)))
        piece = text[first:last] * 2 if draw(st.booleans()) else draw(PIECES)
        text = text[:first] + piece + text[last:]
    return text


def run_chain(start: int, operations, order: int) -> int:
    """Return the end of the chain, recomputed."""
    for operator, operand in operations:
        start = (start + operand if operator == "add" else start * operand) % order
    return start


def calculate(left: int, sign: str, right: int, order: int) -> int:
    """Return `left sign right` in GF(order); subtraction and division by searching for what undoes them."""
    if sign == "+":
        return (left + right) % order
    if sign == "*":
        return left * right % order
    undone_by = {"-": "+", "/": "*"}[sign]
    return next(value for value in range(order) if calculate(value, undone_by, right, order) == left)
