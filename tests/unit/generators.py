"""Hypothesis generators of fields, problems and traces, and oracles that share no code with the library."""

import random

import pytest
from hypothesis import strategies as st

from selectimprove.field import Field
from selectimprove.problems import Problem
from selectimprove.texts import SIGNS, TEXT_FORMS, Trace, TraceStep

PRIMES = [number for number in range(5, 98) if all(number % divisor for divisor in range(2, number))]
LABEL_POOL = 24
LONGEST = 15

each_text = pytest.mark.parametrize("text", TEXT_FORMS.values(), ids=TEXT_FORMS)


@st.composite
def fields(draw) -> Field:
    """Return GF(p) for any allowed p, with any symbol map."""
    elements = list(range(draw(st.sampled_from(PRIMES))))
    random.Random(draw(st.integers(0, 2**32))).shuffle(elements)
    return Field(len(elements), tuple(elements))


@st.composite
def problems(draw, shortest: int = 1) -> Problem:
    """Return a problem of either kind over any field, with or without a stated map."""
    field = draw(fields())
    elements = st.integers(0, field.order - 1)
    operation = st.tuples(st.sampled_from(["add", "multiply"]), st.integers(1, field.order - 1))
    operations = tuple(draw(st.lists(operation, min_size=shortest, max_size=LONGEST)))
    return Problem(
        kind=draw(st.sampled_from(["evaluation", "inversion"])),
        field=field,
        start=draw(elements),
        operations=operations,
        first_label=draw(st.integers(1, LABEL_POOL - len(operations) + 1)),
        stated_map=draw(st.booleans()),
    )


@st.composite
def fields_and_traces(draw) -> tuple[Field, Trace]:
    """Return a field and a trace of any content, right or wrong."""
    field = draw(fields())
    elements = st.integers(0, field.order - 1)
    named_values = st.tuples(st.sampled_from(["x", "y"]), elements)
    step = st.builds(TraceStep, st.integers(1, 99), st.sampled_from(list(SIGNS)), elements, elements, elements)
    steps = tuple(draw(st.lists(step, max_size=LONGEST)))
    return field, Trace(draw(named_values), steps, draw(named_values))


@st.composite
def mutations(draw, text: str) -> str:
    """Return `text` with one to three small edits: a piece cut, doubled, or replaced."""
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(0, len(text)))
        last = draw(st.integers(first, min(len(text), first + 6)))
        words = [
            "x",
            "y",
            "e0",
            "e1",
            "e01",
            "e98",
            "L1",
            "L0",
            "A",
            "Answer:",
            "1",
            "٣",
            " ",
            "\n",
            "?",
            ":",
            "+",
            "M",
        ]
        piece = draw(st.sampled_from(["", text[first:last] * 2, *words]) | st.text(max_size=2))
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
