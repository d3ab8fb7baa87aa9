"""What a completion says, whatever the text form it is written in: an opening, steps, and an answer."""

from dataclasses import dataclass

from selectimprove.tasks.task import Operation, Value

NAMES = ("x", "y")

NamedValue = tuple[str, Value]


@dataclass(frozen=True)
class TraceStep:
    """One written step: label, operation and result; `left` is the value it says it starts from, if it does."""

    label: int
    operation: Operation
    result: Value
    left: Value | None = None


@dataclass(frozen=True)
class Trace:
    """A completion as written.

    opening: (name, value); answer: the values of x and y; None where there is none. readable: whether everything before
    the answer line (or the end) has the form of an opening and steps; `steps` holds those before the first unreadable
    place.
    """

    opening: NamedValue | None
    steps: tuple[TraceStep, ...]
    answer: tuple[Value, Value] | None
    readable: bool = True
