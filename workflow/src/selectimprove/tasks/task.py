"""What a task is: values, invertible operations on them, and how each is written. All else is shared and asks the task.

A chain starts at a value and applies operations. From that alone follow the two kinds of problem, the two strategies,
the splits, the texts, the verifier and the corpus of pretraining. See docs/add-a-task.md for a task of one's own.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

WORDS = ("x", "y", "?", "A")  # symbolic words that no task may write, beside those that begin with L, the labels
Value = Any  # of a chain: hashable and JSON-ready, a number or a string
Operation = tuple  # its name, then what it is applied with: numbers or strings


@dataclass(frozen=True)
class Sentences:
    """How prompts and steps are put in sentences. Words in braces are filled in; a sentence may be of several lines.

    intro: opens every prompt. start, end: of a chain, each where its value is given, with {value}, and where it is not
    known. step: of a prompt, with {label} and {operation}. question: with {name}, x or y. before: what stands for a
    value that is the answer before, in a composition. trace: a step of a completion, with {left}, {operation} and
    {result}.
    """

    intro: str
    start: tuple[str, str]
    step: str
    end: tuple[str, str]
    question: str
    before: str
    trace: str


@dataclass(frozen=True)
class Notation:
    """How values or operations are written in symbolic words. length: words of each; entries: each by its words."""

    length: int
    entries: dict[str, Any]

    def read(self, words: str) -> Any:
        """Return the value or operation that is written so, to the letter; None if there is none."""
        return self.entries.get(words)


def make_notation(write: Callable[[Any], str], entries: Sequence) -> Notation:
    """Return how `write` writes each of `entries`, in as many words as the first."""
    return Notation(len(write(entries[0]).split()), {write(entry): entry for entry in entries})


class Task(ABC):
    """One task, the members of which are the same from one call to the next.

    SETTINGS: a JSON schema of each of its settings in the configuration; one without a "default" must be given.
    stated: whether every prompt states something that is hidden otherwise, drawn anew for each problem (see `vary`).
    """

    SETTINGS: ClassVar[dict[str, dict[str, Any]]] = {}
    stated = False

    @classmethod
    def draw(cls, settings: dict[str, Any], *key: str | int) -> Self:
        """Return the task with these settings; what is hidden in it is drawn from `key`.

        Raises ValueError, the name of a setting first, on settings that their schemas allow but that do not fit.
        """
        return cls(**settings)

    # --- What every task has.

    @property
    @abstractmethod
    def title(self) -> str:
        """The task in a few words, such as "GF(11)"."""

    @property
    @abstractmethod
    def values(self) -> Sequence[Value]:
        """All values, each once: chance is one in so many."""

    @property
    @abstractmethod
    def operations(self) -> Sequence[Operation]:
        """All operations that a step of a prompt can have, each once."""

    @abstractmethod
    def apply(self, operation: Operation, value: Value) -> Value:
        """Return what the operation, or the inverse of one, makes of a value."""

    @abstractmethod
    def invert(self, operation: Operation) -> Operation:
        """Return what undoes one of `operations`."""

    @abstractmethod
    def write_value(self, value: Value) -> str:
        """Return a value in symbolic words, as many for each value, and none of WORDS."""

    @abstractmethod
    def write_operation(self, operation: Operation) -> str:
        """Return an operation, or the inverse of one, in symbolic words, as many for each."""

    @property
    @abstractmethod
    def sentences(self) -> Sentences:
        """How prompts and steps are put in sentences."""

    def say_value(self, value: Value) -> str:
        """Return a value as it stands in sentences."""
        return self.write_value(value)

    def say_operation(self, operation: Operation) -> str:
        """Return an operation as it stands in the sentences of a prompt."""
        return self.write_operation(operation)

    def say_trace_operation(self, operation: Operation) -> str:
        """Return an operation, or the inverse of one, as it stands in the sentences of a completion."""
        return self.say_operation(operation)

    # --- How completions write in symbolic words what prompts write otherwise: the field does where its map is stated.

    def write_given(self, value: Value) -> str:
        """Return the value that a completion opens with and has from its prompt, in as many words for each value."""
        return self.write_value(value)

    def write_trace_operation(self, operation: Operation) -> str:
        """Return an operation, or the inverse of one, as a step of a completion has it, in as many words for each."""
        return self.write_operation(operation)

    def write_result(self, value: Value) -> str:
        """Return the result of a step of a completion, in as many words for each value."""
        return self.write_value(value)

    # --- What follows from it. The field has its own, from before there were other tasks: they keep its data as it was.

    @property
    def chain_key(self) -> tuple[str | int, ...]:
        """What the splits of the chains are drawn by."""
        return type(self).__name__, len(self.values), len(self.operations)

    @cached_property
    def written_operations(self) -> Sequence[Operation]:
        """All operations that are read in a completion, right or wrong."""
        return tuple(dict.fromkeys([*self.operations, *map(self.invert, self.operations)]))

    def draw_operation(self, stream: random.Random, undoing: bool = False) -> Operation:
        """Return a random operation of a prompt; undoing: or of a completion."""
        return stream.choice(self.written_operations if undoing else self.operations)

    @property
    def operation_words(self) -> list[str]:
        """The symbolic words that operations are written in, each once, but for those of `value_words`."""
        words = dict.fromkeys(" ".join(map(self.write_operation, self.written_operations)).split())
        return [word for word in words if word not in self.value_words]

    @property
    def value_words(self) -> list[str]:
        """The symbolic words that values are written in, each once."""
        return list(dict.fromkeys(" ".join(map(self.write_value, self.values)).split()))

    def describe_row(self) -> dict[str, Any]:
        """Return what each row of a data set says of the task."""
        return {}

    # --- What is hidden, or stated in each prompt: nothing but for the field's map of symbols.

    def vary(self, *key: str | int) -> Self:
        """Return the task of one problem, drawn from `key` if each has one of its own."""
        return self

    def write_statement(self) -> str:
        """Return what opens a prompt of a task that is `stated`, in symbolic words, none of which is "x"."""
        return ""

    def say_statement(self) -> str:
        """Return the line that stands behind the first sentence of a prompt of a task that is `stated`."""
        return ""

    def read_statement(self, statement: str) -> Self:
        """Return the task that a prompt states in either text form. Raises ValueError if it states none."""
        return self

    def record(self) -> dict[str, Any]:
        """Return what is hidden, JSON-ready."""
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], record: dict[str, Any]) -> Self:
        """Return the task whose `record` this is."""
        return cls.draw(settings)

    # --- Counting and reading, the same for every task.

    def count_chains(self, steps: int) -> int:
        """Return how many distinct chains of `steps` steps there are."""
        return len(self.values) * len(self.operations) ** steps

    def find_direction(self, operation: Operation) -> int:
        """Return 1 for an operation whose name only prompts have, -1 for one that only inverses have, else 0."""
        done, undone = self._names
        return (operation[0] in done) - (operation[0] in undone)

    @cached_property
    def _names(self) -> tuple[set[str], set[str]]:
        undoing = map(self.invert, self.operations)
        return {operation[0] for operation in self.operations}, {operation[0] for operation in undoing}

    @cached_property
    def value_notation(self) -> Notation:
        return make_notation(self.write_value, self.values)

    @cached_property
    def operation_notation(self) -> Notation:
        return make_notation(self.write_operation, self.written_operations)

    @cached_property
    def given_notation(self) -> Notation:
        return make_notation(self.write_given, self.values)

    @cached_property
    def trace_operation_notation(self) -> Notation:
        return make_notation(self.write_trace_operation, self.written_operations)

    @cached_property
    def result_notation(self) -> Notation:
        return make_notation(self.write_result, self.values)

    @cached_property
    def said_values(self) -> dict[str, Value]:
        """The values by how each stands in sentences."""
        return {self.say_value(value): value for value in self.values}

    @cached_property
    def said_operations(self) -> dict[str, Operation]:
        """The operations by how each stands in the sentences of a prompt."""
        return {self.say_operation(operation): operation for operation in self.operations}

    @cached_property
    def said_trace_operations(self) -> dict[str, Operation]:
        """The operations and their inverses by how each stands in the sentences of a completion."""
        return {self.say_trace_operation(operation): operation for operation in self.written_operations}
