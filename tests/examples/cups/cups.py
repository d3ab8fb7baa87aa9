"""A ball under one of some cups, which are swapped in pairs: where is it in the end, where was it at first?"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from selectimprove.tasks.task import Operation, Sentences, Task


@dataclass(frozen=True)
class Cups(Task):
    """A value is the number of the cup with the ball; an operation is ("swap", cup, cup)."""

    cups: int

    SETTINGS = {"cups": {"type": "integer", "minimum": 3, "maximum": 20}}

    @property
    def title(self) -> str:
        return f"a ball under {self.cups} cups"

    @property
    def values(self) -> Sequence[int]:
        return range(1, self.cups + 1)

    @property
    def operations(self) -> Sequence[Operation]:
        return [("swap", *pair) for pair in itertools.combinations(self.values, 2)]

    def apply(self, operation: Operation, value: int) -> int:
        _, first, second = operation
        return {first: second, second: first}.get(value, value)

    def invert(self, operation: Operation) -> Operation:
        return operation  # the same swap again

    def write_value(self, value: int) -> str:
        return f"cup{value}"

    def write_operation(self, operation: Operation) -> str:
        _, first, second = operation
        return f"swap cup{first} cup{second}"

    @property
    def sentences(self) -> Sentences:
        return Sentences(
            intro=f"A ball is under one of {self.cups} cups. It is under x before they are swapped, and then under y.",
            start=("At first x = {value}.", "At first x is not known."),
            step="Step {label}: {operation}.",
            end=("At last y = {value}.", "At last y is not known."),
            question="What is {name}?",
            before="the answer before",
            trace="from {left}, {operation}: {result}",
        )

    def say_operation(self, operation: Operation) -> str:
        _, first, second = operation
        return f"swap cup{first} and cup{second}"
