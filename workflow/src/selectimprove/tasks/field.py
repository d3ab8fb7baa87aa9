"""Field arithmetic: Add and Multiply steps over the prime field GF(p).

The symbols e0, e1, ... hide its elements from pretrained arithmetic.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from selectimprove.seeds import random_stream
from selectimprove.tasks.task import Operation, Sentences, Task

SMALLEST_ORDER, LARGEST_ORDER = 5, 97

INVERSE_OPERATORS = {"add": "subtract", "multiply": "divide", "subtract": "add", "divide": "multiply"}
OPERATORS = ("add", "multiply")  # those of a prompt
SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
PHRASES = {"add": "add", "multiply": "multiply by"}


def is_prime(number: int) -> bool:
    """Return whether `number` is prime."""
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def apply_operator(operator: str, value: int, operand: int, order: int) -> int:
    """Return `value operator operand` in GF(order); `divide` multiplies by the inverse of `operand`."""
    match operator:
        case "add":
            return (value + operand) % order
        case "subtract":
            return (value - operand) % order
        case "multiply":
            return (value * operand) % order
        case "divide":
            return (value * pow(operand, -1, order)) % order
    raise ValueError(f"operator {operator!r} is not one of {', '.join(INVERSE_OPERATORS)}")


@dataclass(frozen=True)
class Field(Task):
    """GF(order) with its symbol map: `elements[i]` is the field element that symbol `e<i>` denotes.

    Values are elements, integers below the order. An operation is (operator, operand); none adds zero, or multiplies by
    it. stated: whether each problem has a map of its own, which its prompt states.
    """

    order: int
    elements: tuple[int, ...]
    stated: bool = False

    SETTINGS = {
        "order": {
            "type": "integer",
            "description": "Number of elements, a prime from 5 to 97. A guess is right one time in that many.",
        },
        "symbol_map": {
            "enum": ["fixed", "stated"],
            "default": "fixed",
            "description": (
                "Which symbol stands for which element. fixed: one map for each seed, which is never shown; "
                "stated: drawn anew for each problem and stated in its prompt; symbolic completions write what they "
                "look up there."
            ),
        },
    }

    @classmethod
    def draw(cls, settings: dict[str, Any], *key: str | int) -> Self:
        order = settings["order"]
        if not (is_prime(order) and SMALLEST_ORDER <= order <= LARGEST_ORDER):
            raise ValueError(f"order: found {order}, must be a prime number from {SMALLEST_ORDER} to {LARGEST_ORDER}")
        return cls.shuffled(order, *key, stated=settings["symbol_map"] == "stated")

    @classmethod
    def shuffled(cls, order: int, *key: str | int, stated: bool = False) -> Self:
        """Return GF(order) with a symbol map drawn from `key`."""
        elements = list(range(order))
        random_stream("symbol_map", order, *key).shuffle(elements)
        return cls(order, tuple(elements), stated)

    @property
    def title(self) -> str:
        return f"GF({self.order})"

    @property
    def values(self) -> Sequence[int]:
        return range(self.order)

    @cached_property
    def operations(self) -> Sequence[Operation]:
        return tuple((operator, operand) for operator in OPERATORS for operand in range(1, self.order))

    def apply(self, operation: Operation, value: int) -> int:
        operator, operand = operation
        return apply_operator(operator, value, operand, self.order)

    def invert(self, operation: Operation) -> Operation:
        operator, operand = operation
        return INVERSE_OPERATORS[operator], operand

    @cached_property
    def _indices(self) -> dict[int, int]:
        return {element: index for index, element in enumerate(self.elements)}

    def write_value(self, value: int) -> str:
        """Return the symbol that denotes an element."""
        return f"e{self._indices[value]}"

    def write_operation(self, operation: Operation) -> str:
        operator, operand = operation
        return f"{SIGNS[operator]} {self.write_value(operand)}"

    def write_given(self, value: int) -> str:
        """Return the symbol; where the map is stated, what it denotes is looked up there and written behind it."""
        return f"{self.write_value(value)} {value}" if self.stated else self.write_value(value)

    def write_trace_operation(self, operation: Operation) -> str:
        operator, operand = operation
        return f"{SIGNS[operator]} {self.write_given(operand)}"

    def write_result(self, value: int) -> str:
        """Return the symbol; where the map is stated, the number is computed first, then its symbol looked up."""
        return f"{value} {self.write_value(value)}" if self.stated else self.write_value(value)

    def say_operation(self, operation: Operation) -> str:
        operator, operand = operation
        return f"{PHRASES[operator]} {self.write_value(operand)}"

    def say_trace_operation(self, operation: Operation) -> str:
        return self.write_operation(operation)

    @property
    def sentences(self) -> Sentences:
        return Sentences(
            intro=f"We calculate in the finite field with {self.order} elements, written e0 to e{self.order - 1}.",
            start=("Start: x = {value}.", "Start: x is not known."),
            step="Step {label}: {operation}.",
            end=("End: y = {value}.", "End: y is not known."),
            question="What is {name}?",
            before="the answer before",
            trace="{left} {operation} = {result}",
        )

    @property
    def chain_key(self) -> tuple[int]:
        return (self.order,)

    @cached_property
    def written_operations(self) -> Sequence[Operation]:
        """Those with operand zero are read, too: no problem has them, but a completion may."""
        return tuple((operator, operand) for operator in SIGNS for operand in range(self.order))

    def draw_operation(self, stream: random.Random, undoing: bool = False) -> Operation:
        if undoing:
            operand = stream.randrange(1, self.order)
            return stream.choice(tuple(SIGNS)), operand
        return stream.choice(OPERATORS), stream.randrange(1, self.order)

    @property
    def operation_words(self) -> list[str]:
        """M, which opens a map, and the signs."""
        return ["M", *SIGNS.values()]

    @property
    def value_words(self) -> list[str]:
        """The symbols, and the numbers that a map says they denote."""
        return [*(f"e{index}" for index in range(self.order)), *map(str, range(self.order))]

    def describe_row(self) -> dict[str, Any]:
        return {"field_order": self.order}

    def vary(self, *key: str | int) -> Self:
        return self.shuffled(self.order, *key, stated=True) if self.stated else self

    def write_statement(self) -> str:
        return " ".join(["M", *(f"e{index} {element}" for index, element in enumerate(self.elements))])

    def say_statement(self) -> str:
        pairs = ", ".join(f"e{index} = {element}" for index, element in enumerate(self.elements))
        return f"The symbols stand for numbers: {pairs}."

    def read_statement(self, statement: str) -> Self:
        elements = tuple(map(int, re.findall(r"e[0-9]+ (?:= )?([0-9]+)", statement)))
        if sorted(elements) != list(range(self.order)):
            raise ValueError(f"the stated map is not a permutation of {self.title}")
        return type(self)(self.order, elements, stated=True)

    def record(self) -> dict[str, Any]:
        """Return the symbol map as {"symbols": {"e0": element, ...}}."""
        return {"symbols": {self.write_value(element): element for element in self.elements}}

    @classmethod
    def restore(cls, settings: dict[str, Any], record: dict[str, Any]) -> Self:
        symbols, order = record["symbols"], settings["order"]
        elements = tuple(symbols[f"e{index}"] for index in range(order))
        return cls(order, elements, stated=settings["symbol_map"] == "stated")
