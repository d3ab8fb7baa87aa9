"""What a completion says, whatever the text form it is written in: an opening, steps, and an answer."""

from dataclasses import dataclass

SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
OPERATORS = {sign: operator for operator, sign in SIGNS.items()}
NAMES = ("x", "y")

NamedValue = tuple[str, int]


@dataclass(frozen=True)
class TraceStep:
    """One written step: label, operator, operand and result; `left` is the value it says it starts from, if it does."""

    label: int
    operator: str
    operand: int
    result: int
    left: int | None = None


@dataclass(frozen=True)
class Trace:
    """A completion as written. All values are field elements.

    opening: (name, value); answer: the values of x and y; None where there is none. readable: whether everything before
    the answer line (or the end) has the form of an opening and steps; `steps` holds those before the first unreadable
    place.
    """

    opening: NamedValue | None
    steps: tuple[TraceStep, ...]
    answer: tuple[int, int] | None
    readable: bool = True
