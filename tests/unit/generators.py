"""Hypothesis generators of tasks, problems and traces. What is right is worked out by the oracles of the tests."""

import random

import pytest
from cups import Cups
from hypothesis import strategies as st
from oracles import run_chain

from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import Composition, Problem
from selectimprove.tasks.programs import Programs
from selectimprove.tasks.specs import KINDS
from selectimprove.tasks.strategies import STRATEGIES
from selectimprove.tasks.task import Task
from selectimprove.tasks.texts import TEXT_FORMS
from selectimprove.tasks.traces import Trace, TraceStep

PRIMES = [number for number in range(5, 98) if all(number % divisor for divisor in range(2, number))]
LABEL_POOL = 24
LONGEST = 15

each_text = pytest.mark.parametrize("text", TEXT_FORMS.values(), ids=TEXT_FORMS)


# Built once, since hypothesis checks each new generator; numbers are then brought to the values of the task drawn.
NUMBERS = st.integers(0, 999)
NAMES = st.sampled_from(["x", "y"])
LABELS = st.integers(1, 99)
SHUFFLES = st.integers(0, 2**32)
ORDERS = st.sampled_from(PRIMES)
OPERATIONS = st.lists(NUMBERS, min_size=1, max_size=LONGEST)
STEPS = st.lists(st.tuples(LABELS, NUMBERS, NUMBERS, NUMBERS), max_size=LONGEST)
PIECES = st.text(max_size=2) | st.sampled_from(
    ["", "x", "y", "e0", "e1", "e01", "e98", "L1", "L0", "A", "Answer:", "1", "٣", " ", "\n", "?", ":", "+", "M"]
    + ["a", "b c", '"abc"', "s[1]", "rotate1", "cup1", "swap cup1 cup2"]
)


@st.composite
def fields(draw) -> Field:
    """Return GF(p) for any allowed p, with any symbol map, stated in prompts or not."""
    elements = list(range(draw(ORDERS)))
    random.Random(draw(SHUFFLES)).shuffle(elements)
    return Field(len(elements), tuple(elements), draw(st.booleans()))


FIELDS = fields()
PROGRAMS = st.builds(Programs, st.sampled_from([3, 4]), st.sampled_from([4, 5, 8]))
CUPS = st.builds(Cups, st.integers(3, 20))
TASKS = FIELDS | PROGRAMS | CUPS


@st.composite
def problems(draw, tasks=TASKS) -> Problem:
    """Return a problem of either kind, of any of these tasks."""
    task = draw(tasks)
    operations = tuple(pick(task.operations, number) for number in draw(OPERATIONS))
    return Problem(
        kind=draw(st.sampled_from(["evaluation", "inversion"])),
        task=task,
        start=pick(task.values, draw(NUMBERS)),
        operations=operations,
        first_label=draw(LABELS) % (LABEL_POOL - len(operations) + 1) + 1,
    )


def pick(sequence, number: int):
    return sequence[number % len(sequence)]


@st.composite
def compositions(draw, tasks=TASKS) -> Composition:
    """Return two to four parts of any of these tasks, every value worked out by the oracle."""
    task = draw(tasks)
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=2, max_size=4))
    stream = random.Random(draw(st.integers(0, 2**32)))
    lengths = [stream.randint(1, 4) for _ in kinds]
    label = stream.randint(1, LABEL_POOL - sum(lengths) + 1)
    value = stream.choice(task.values)
    parts = []
    for kind, length in zip(kinds, lengths, strict=True):
        operations = tuple(stream.choice(task.operations) for _ in range(length))
        start = value
        if kind == "inversion":
            start = next(start for start in task.values if run_chain(start, operations, task) == value)
        parts.append(Problem(kind, task, start, operations, label))
        value = run_chain(start, operations, task) if kind == "evaluation" else start
        label += length
    return Composition(tuple(parts))


@st.composite
def answered(draw, tasks=TASKS) -> tuple[Composition, list[str]]:
    """Return a composition and a strategy for each of its parts."""
    problem = draw(compositions(tasks))
    return problem, [draw(st.sampled_from(list(STRATEGIES))) for _ in problem.parts]


@st.composite
def tasks_and_traces(draw, tasks=TASKS) -> tuple[Task, Trace]:
    """Return a task and a trace of any content, right or wrong."""
    task = draw(tasks)
    steps = tuple(
        TraceStep(label, pick(task.written_operations, operation), *(pick(task.values, number) for number in numbers))
        for label, operation, *numbers in draw(STEPS)
    )
    opening, *answer = (pick(task.values, draw(NUMBERS)) for _ in range(3))
    return task, Trace((draw(NAMES), opening), steps, tuple(answer))


@st.composite
def mutations(draw, text: str) -> str:
    """Return `text` with one to three small edits: a few characters cut, doubled, or replaced."""
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(0, len(text)))
        last = draw(st.integers(first, min(len(text), first + 6)))
        piece = text[first:last] * 2 if draw(st.booleans()) else draw(PIECES)
        text = text[:first] + piece + text[last:]
    return text
