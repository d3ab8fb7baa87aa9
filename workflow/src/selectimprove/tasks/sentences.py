"""The text form of a pretrained model: plain sentences."""

import re

from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import AnyProblem
from selectimprove.tasks.prompts import Given, build_problem, find_stated_field, require
from selectimprove.tasks.traces import OPERATORS, SIGNS, Trace, TraceStep


class SentenceText:
    """Plain English for a pretrained model: the prompt is a user message, the completion the assistant's."""

    label_pool = None
    _PHRASES = {"add": "add", "multiply": "multiply by"}
    _MAP_INTRO = "The symbols stand for numbers: "
    _BEFORE = "the answer before"
    _INTRO = "We calculate in the finite field with {order} elements, written e0 to e{last}."

    def write_prompt(self, problem: AnyProblem) -> str:
        field = problem.field
        lines = [self._INTRO.format(order=field.order, last=field.order - 1)]
        if problem.stated_map:
            stated = ", ".join(f"e{index} = {element}" for index, element in enumerate(field.elements))
            lines.append(f"{self._MAP_INTRO}{stated}.")
        for position, part in enumerate(problem.parts):
            asks_end = part.unknown == "y"
            given = self._BEFORE if position else field.symbol(part.start if asks_end else part.end)
            lines.append(f"Start: x = {given}." if asks_end else "Start: x is not known.")
            for label, (operator, operand) in enumerate(part.operations, part.first_label):
                lines.append(f"Step {label}: {self._PHRASES[operator]} {field.symbol(operand)}.")
            lines.append("End: y is not known." if asks_end else f"End: y = {given}.")
            lines.append(f"What is {part.unknown}?")
        return "\n".join(lines)

    _LINES = {
        "start": re.compile(r"Start: x (?:= (the answer before|e\d+)|is not known)\."),
        "step": re.compile(r"Step (\d+): (add|multiply)(?: by)? (e\d+)\."),
        "end": re.compile(r"End: y (?:= (the answer before|e\d+)|is not known)\."),
        "question": re.compile(r"What is [xy]\?"),
    }

    def read_prompt(self, prompt: str, order: int, field: Field | None) -> AnyProblem:
        lines = prompt.split("\n")
        try:
            if lines.pop(0) != self._INTRO.format(order=order, last=order - 1):
                raise ValueError
            stated = lines[0].startswith(self._MAP_INTRO)
            field = find_stated_field(order, re.findall(r" = (\d+)", lines.pop(0)) if stated else [], field)
            parts = []
            labels = []
            while lines:
                start = self._read_end(self._LINES["start"].fullmatch(lines.pop(0)), field)
                operations = []
                while step := self._LINES["step"].fullmatch(lines[0]):
                    labels.append(int(step[1]))
                    operations.append((step[2], require(field.element(step[3]), step[3])))
                    lines.pop(0)
                end = self._read_end(self._LINES["end"].fullmatch(lines.pop(0)), field)
                parts.append((start, end, operations))
                if not self._LINES["question"].fullmatch(lines.pop(0)):
                    raise ValueError
            problem = build_problem(field, parts, labels[0], stated)
            if self.write_prompt(problem) != prompt:
                raise ValueError
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(f"not a prompt in sentences: {prompt!r}") from error
        return problem

    def _read_end(self, match: re.Match | None, field: Field) -> Given:
        symbol = match[1]
        return (
            {None: None, self._BEFORE: "before"}[symbol]
            if symbol in (None, self._BEFORE)
            else require(field.element(symbol), symbol)
        )

    def write_opening(self, name: str, label: int | None = None) -> str:
        return f"{name} ="

    def write_step_start(self, label: int) -> str:
        return f"Step {label}:"

    def write_completion(self, trace: Trace, field: Field, label: int | None = None) -> str:
        lines = [f"{trace.opening[0]} = {field.symbol(trace.opening[1])}"]
        value = trace.opening[1]
        for step in trace.steps:
            left = value if step.left is None else step.left
            written = f"{field.symbol(left)} {SIGNS[step.operator]} {field.symbol(step.operand)}"
            lines.append(f"Step {step.label}: {written} = {field.symbol(step.result)}")
            value = step.result
        start, end = map(field.symbol, trace.answer)
        lines.append(f"Answer: x = {start}, y = {end}")
        return "\n".join(lines)

    _OPENING = re.compile(r"([xy]) = (e[0-9]+)")
    _STEP = re.compile(r"Step ([1-9][0-9]{0,3}): (e[0-9]+) ([-+*/]) (e[0-9]+) = (e[0-9]+)")
    _ANSWER = re.compile(r"Answer: x = (e[0-9]+), y = (e[0-9]+)")

    def read_completion(self, completion: str, field: Field, label: int | None = None) -> Trace:
        lines = completion.split("\n")
        answer = None
        if completion.count("Answer:") == 1 and (match := self._ANSWER.fullmatch(lines[-1])):
            ends = field.element(match[1]), field.element(match[2])
            answer = None if None in ends else ends
        body = lines[:-1] if answer else lines
        opening = None
        if body and (match := self._OPENING.fullmatch(body[0])) and (value := field.element(match[2])) is not None:
            opening = (match[1], value)
        steps = []
        for line in body[1:] if opening else ():
            step = self._read_step(line, field)
            if step is None:
                break
            steps.append(step)
        return Trace(opening, tuple(steps), answer, readable=opening is not None and len(body) == 1 + len(steps))

    def join_parts(self, completions: list[str]) -> str:
        return "\n".join(completions)

    def split_parts(self, completion: str) -> list[str]:
        pieces: list[list[str]] = [[]]
        for line in completion.split("\n"):
            pieces[-1].append(line)
            if line.startswith("Answer:"):
                pieces.append([])
        return ["\n".join(lines) for lines in pieces if lines]

    def split_pieces(self, completion: str) -> list[str]:
        return completion.split("\n")

    def _read_step(self, line: str, field: Field) -> TraceStep | None:
        match = self._STEP.fullmatch(line)
        if match is None:
            return None
        left, operand, result = (field.element(match[group]) for group in (2, 4, 5))
        if None in (left, operand, result):
            return None
        return TraceStep(int(match[1]), OPERATORS[match[3]], operand, result, left)

    def count_words(self, steps: int, parts: int) -> int:
        return parts * (3 + 7 * steps + 7)
