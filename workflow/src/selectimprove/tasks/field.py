"""The prime field GF(p) and the symbols e0, e1, ... that hide its elements from pretrained arithmetic."""

import re
from dataclasses import dataclass
from functools import cached_property

from selectimprove.seeds import random_stream

SMALLEST_ORDER, LARGEST_ORDER = 5, 97
SYMBOL = re.compile(r"e(0|[1-9][0-9]?)")

INVERSE_OPERATORS = {"add": "subtract", "multiply": "divide", "subtract": "add", "divide": "multiply"}


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
class Field:
    """GF(order) with its symbol map: `elements[i]` is the field element that symbol `e<i>` denotes."""

    order: int
    elements: tuple[int, ...]

    @classmethod
    def shuffled(cls, order: int, *key: str | int) -> "Field":
        """Return GF(order) with a symbol map drawn from `key`."""
        elements = list(range(order))
        random_stream("symbol_map", order, *key).shuffle(elements)
        return cls(order, tuple(elements))

    @cached_property
    def _indices(self) -> dict[int, int]:
        return {element: index for index, element in enumerate(self.elements)}

    def symbol(self, element: int) -> str:
        """Return the symbol that denotes `element`."""
        return f"e{self._indices[element]}"

    def element(self, symbol: str) -> int | None:
        """Return the element that `symbol` denotes; None if it is not, to the letter, a symbol of this field."""
        match = SYMBOL.fullmatch(symbol)
        if match is None or int(match[1]) >= self.order:
            return None
        return self.elements[int(match[1])]
