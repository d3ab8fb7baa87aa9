"""Programs: strings of a few letters through a chain of Python statements, each of which can be undone.

Evaluation asks what a function returns, inversion what it was given. In sentences, a prompt is that function.

The statements rotate or reverse a string, swap two of its places, or move the letter at one place on in the alphabet,
after whose last letter comes the first. From any string chains lead to any other, so that nothing but executing them
tells more about an answer than chance.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from selectimprove.tasks.task import Operation, Sentences, Task

ALPHABET = "abcdefgh"
FEWEST_VALUES = 100  # so that a guess is right in less than one case of a hundred

SENTENCES = Sentences(
    intro="# The Python function f is given x and returns y.",
    start=("x = {value}\ndef f(s):", "# x is not known\ndef f(s):"),
    step="    s = {operation}  # step {label}",
    end=("    return s\ny = {value}", "    return s\ny = f(x)"),
    question="# What is {name}?",
    before="answer",
    trace="s = {left}; {operation} == {result}",
)


@dataclass(frozen=True)
class Programs(Task):
    """Strings of `length` letters, of the first `letters` of the alphabet.

    Operations are ("rotate", places), by which letters move to the left; ("reverse",); ("swap", place, place); and
    ("shift", place, letters). The inverse of each is one of them.
    """

    length: int
    letters: int

    SETTINGS = {
        "length": {
            "type": "integer",
            "minimum": 3,
            "maximum": 4,
            "default": 3,
            "description": "Number of letters of a string.",
        },
        "letters": {
            "type": "integer",
            "minimum": 3,
            "maximum": len(ALPHABET),
            "default": 5,
            "description": f"Number of letters of the alphabet; there must be {FEWEST_VALUES} strings or more.",
        },
    }

    @classmethod
    def draw(cls, settings: dict[str, Any], *key: str | int) -> Self:
        task = cls(**settings)
        if len(task.values) < FEWEST_VALUES:
            raise ValueError(
                f"letters: found {task.letters}, which make {len(task.values)} strings of {task.length} letters, "
                f"must make at least {FEWEST_VALUES}"
            )
        return task

    @property
    def title(self) -> str:
        return f"programs on strings of {self.length} letters"

    @property
    def alphabet(self) -> str:
        return ALPHABET[: self.letters]

    @cached_property
    def values(self) -> Sequence[str]:
        return tuple(map("".join, itertools.product(self.alphabet, repeat=self.length)))

    @cached_property
    def operations(self) -> Sequence[Operation]:
        """Each once: to swap the ends of three letters is to reverse them."""
        places = range(self.length)
        moves = [("rotate", by) for by in places[1:]]
        moves += [("reverse",), *(("swap", *pair) for pair in itertools.combinations(places, 2))]
        by_effect: dict[str, Operation] = {}
        for move in moves:
            by_effect.setdefault(self.apply(move, ALPHABET[: self.length]), move)
        shifts = [("shift", place, by) for place in places for by in range(1, self.letters)]
        return (*by_effect.values(), *shifts)

    def apply(self, operation: Operation, value: str) -> str:
        match operation:
            case ("rotate", by):
                return value[by:] + value[:by]
            case ("reverse",):
                return value[::-1]
            case ("swap", first, second):
                letters = list(value)
                letters[first], letters[second] = letters[second], letters[first]
                return "".join(letters)
            case ("shift", place, by):
                letter = self.alphabet[(self.alphabet.index(value[place]) + by) % self.letters]
                return value[:place] + letter + value[place + 1 :]
        raise ValueError(f"{operation!r} is no operation of {self.title}")

    def invert(self, operation: Operation) -> Operation:
        match operation:
            case ("rotate", by):
                return "rotate", self.length - by
            case ("shift", place, by):
                return "shift", place, self.letters - by
        return operation

    def write_value(self, value: str) -> str:
        """Return the letters, a word each: the model learns what a statement does to a place, not 125 strings."""
        return " ".join(value)

    def write_operation(self, operation: Operation) -> str:
        """Return one word, such as rotate1, reverse, swap01, shift0+2."""
        match operation:
            case ("shift", place, by):
                return f"shift{place}+{by}"
            case (name, *numbers):
                return name + "".join(map(str, numbers))

    @property
    def sentences(self) -> Sentences:
        return SENTENCES

    def say_value(self, value: str) -> str:
        return f'"{value}"'

    def say_operation(self, operation: Operation) -> str:
        """Return the expression that is assigned to s."""
        match operation:
            case ("rotate", by):
                return f"s[{by}:] + s[:{by}]"
            case ("reverse",):
                return "s[::-1]"
            case ("swap", first, second):
                places = {first: second, second: first}
                return " + ".join(f"s[{places.get(place, place)}]" for place in range(self.length))
            case ("shift", place, by):
                shifted = f'"{self.alphabet[by:]}{self.alphabet[:by]}"["{self.alphabet}".index(s[{place}])]'
                before, after = f"s[:{place}]" if place else "", f"s[{place + 1}:]" if place < self.length - 1 else ""
                return " + ".join(filter(None, (before, shifted, after)))
        raise ValueError(f"{operation!r} is no operation of {self.title}")
