"""The text form of the tiny model: symbolic words, a token each."""

import re
from dataclasses import dataclass

from selectimprove.tasks.problems import AnyProblem, Mark, Problem
from selectimprove.tasks.prompts import BEFORE, Given, build_problem
from selectimprove.tasks.task import WORDS, Notation, Operation, Task, Value
from selectimprove.tasks.traces import NAMES, Trace, TraceStep


@dataclass(frozen=True)
class SymbolicText:
    """Words of the tiny tokenizer, one token each, separated by single spaces.

    asks_first: whether the name that a part of a prompt asks for stands before its chain instead of at its end. Prompts
    then end in the same word whatever they ask.
    """

    asks_first: bool = False
    label_pool = 24

    def vocabulary(self, task: Task) -> list[str]:
        """Return every word that a prompt or completion of the task can hold."""
        labels = [f"L{label}" for label in range(1, self.label_pool + 1)]
        return [*WORDS, *task.operation_words, *labels, *task.value_words]

    def write_value(self, value: Value, task: Task) -> str:
        return task.write_value(value)

    def write_given(self, value: Value, task: Task) -> str:
        return task.write_given(value)

    def write_prompt(self, problem: AnyProblem) -> str:
        task = problem.task
        words = [task.write_statement()] if task.stated else []
        for position, part in enumerate(problem.parts):
            asks_end = part.unknown == "y"
            given = "A" if position else task.write_value(part.start if asks_end else part.end)
            words += self.write_chain(part, *((given, "?") if asks_end else ("?", given)), part.unknown)
        return " ".join(words)

    def write_chain(self, problem: Problem, start: str, end: str, asked: str) -> list[str]:
        """Return the words of one part of a prompt; start, end: what stands there for the ends of the chain."""
        words = ["x", start]
        for label, operation in enumerate(problem.operations, problem.first_label):
            words += [f"L{label}", problem.task.write_operation(operation)]
        words += ["y", end, "?"]
        return [asked, *words] if self.asks_first else [*words, asked]

    def read_prompt(self, prompt: str, task: Task) -> AnyProblem:
        words = prompt.split(" ")
        parts, labels = [], []
        try:
            if task.stated:
                begin = next(place for place, word in enumerate(words) if word in NAMES)
                task = task.read_statement(" ".join(words[:begin]))
                words = words[begin:]
            while words:
                self._take(self.asks_first, words)  # what it asks for follows from what it gives
                start = self._take_end("x", words, task)
                operations = []
                while words[0].startswith("L"):
                    labels.append(int(words.pop(0)[1:]))
                    operations.append(self._take_entry(task.operation_notation, words, f"an operation of {task.title}"))
                parts.append((start, self._take_end("y", words, task), operations))
                self._take(1 if self.asks_first else 2, words)
            problem = build_problem(task, parts, labels[0])
        except (IndexError, StopIteration) as error:
            raise ValueError(f"not a symbolic prompt: {prompt!r}") from error
        if self.write_prompt(problem) != prompt:
            raise ValueError(f"not a symbolic prompt: {prompt!r}")
        return problem

    def _take_end(self, name: str, words: list[str], task: Task) -> Given:
        if words.pop(0) != name:
            raise IndexError
        if words[0] in ("?", "A"):
            return {"?": None, "A": BEFORE}[words.pop(0)]
        return self._take_entry(task.value_notation, words, f"a value of {task.title}")

    def _take_entry(self, notation: Notation, words: list[str], what: str) -> Value | Operation:
        """Take a value or operation from the front of `words`; raises ValueError if `what` should be there is not."""
        written = self._take(notation.length, words)
        if (found := notation.read(written)) is None:
            raise ValueError(f"{written!r} is not {what}")
        return found

    @staticmethod
    def _take(number: int, words: list[str]) -> str:
        """Take so many words from the front of `words`."""
        return " ".join(words.pop(0) for _ in range(number))

    def write_opening(self, name: str, mark: Mark | None = None) -> str:
        return " ".join([*self._write_mark(mark), name])

    def write_step_start(self, label: int) -> str:
        return f"L{label}"

    def write_completion(self, trace: Trace, task: Task, mark: Mark | None = None) -> str:
        words = [*self._write_mark(mark), trace.opening[0], task.write_given(trace.opening[1])]
        for step in trace.steps:
            words += [f"L{step.label}", task.write_trace_operation(step.operation), task.write_result(step.result)]
        start, end = map(task.write_value, trace.answer)
        return " ".join([*words, "A", "x", start, "y", end])

    @staticmethod
    def _write_mark(mark: Mark | None) -> list[str]:
        return [] if mark is None else [f"L{mark[0]}", "?", mark[1]]

    def read_completion(self, completion: str, task: Task, mark: Mark | None = None) -> Trace:
        words = completion.split(" ")
        values, line = task.value_notation, self._count_line(task)
        answer = None
        if words.count("A") == 1 and words[-line : 2 - line] == ["A", "x"] and words[-values.length - 1] == "y":
            written = (words[2 - line : -values.length - 1], words[-values.length :])
            ends = tuple(values.read(" ".join(end)) for end in written)
            answer = None if None in ends else ends
        body = words[:-line] if answer else words
        before = self._write_mark(mark)
        body = body[len(before) :] if body[: len(before)] == before else []
        opening = None
        position = 1 + task.given_notation.length
        if body and body[0] in NAMES and (value := task.given_notation.read(" ".join(body[1:position]))) is not None:
            opening = (body[0], value)
        steps = []
        width = self._count_step(task)
        while opening and (step := self._read_step(body[position : position + width], task)):
            steps.append(step)
            position += width
        return Trace(opening, tuple(steps), answer, readable=opening is not None and position == len(body))

    def join_parts(self, completions: list[str]) -> str:
        return " ".join(completions)

    def split_parts(self, completion: str, task: Task) -> list[str]:
        words = completion.split(" ")
        pieces = []
        begin = 0
        while "A" in words[begin:]:
            end = words.index("A", begin) + self._count_line(task)
            pieces.append(" ".join(words[begin:end]))
            begin = end
        return [*pieces, " ".join(words[begin:])] if begin < len(words) else pieces

    def split_pieces(self, completion: str, task: Task) -> list[str]:
        pieces: list[list[str]] = []
        room = 0
        opening = 1 + task.given_notation.length
        for word in completion.split(" "):
            # A label or A begins a piece even where the one before lacks words, so that a slip spoils one piece only.
            if room == 0 or word == "A" or word.startswith("L"):
                pieces.append([])
                room = {"A": self._count_line(task), "x": opening, "y": opening}.get(word, self._count_step(task))
            elif word == "?" and len(pieces[-1]) == 1 and pieces[-1][0].startswith("L"):
                room = 2 + opening  # that of a part, behind its mark
            pieces[-1].append(word)
            room -= 1
        return [" ".join(words) for words in pieces]

    @staticmethod
    def _read_step(words: list[str], task: Task) -> TraceStep | None:
        if not words or not re.fullmatch(r"L[1-9][0-9]?", words[0]):
            return None
        behind = 1 + task.trace_operation_notation.length
        operation = task.trace_operation_notation.read(" ".join(words[1:behind]))
        result = task.result_notation.read(" ".join(words[behind:]))
        if operation is None or result is None:
            return None
        return TraceStep(int(words[0][1:]), operation, result)

    @staticmethod
    def _count_step(task: Task) -> int:
        """Return how many words a step has."""
        return 1 + task.trace_operation_notation.length + task.result_notation.length

    @staticmethod
    def _count_line(task: Task) -> int:
        """Return how many words an answer line has."""
        return 3 + 2 * task.value_notation.length

    def count_words(self, task: Task, steps: int, parts: int) -> int:
        of_part = 1 + task.given_notation.length + steps * self._count_step(task) + self._count_line(task)
        return parts * (of_part + 3 * (parts > 1))
