"""The text form of the tiny model: symbolic words, a token each."""

import re

from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import AnyProblem, Problem
from selectimprove.tasks.prompts import Given, build_problem, find_stated_field, require
from selectimprove.tasks.traces import NAMES, OPERATORS, SIGNS, Trace, TraceStep


class SymbolicText:
    """Words of the tiny tokenizer, one token each, separated by single spaces."""

    label_pool = 24

    def vocabulary(self, order: int) -> list[str]:
        """Return every word that a prompt or completion over GF(order) can hold."""
        labels = [f"L{label}" for label in range(1, self.label_pool + 1)]
        symbols = [f"e{index}" for index in range(order)]
        return ["x", "y", "?", "A", "M", *OPERATORS, *labels, *symbols, *map(str, range(order))]

    def write_prompt(self, problem: AnyProblem) -> str:
        words = self.write_map(problem.field) if problem.stated_map else []
        for position, part in enumerate(problem.parts):
            asks_end = part.unknown == "y"
            given = "A" if position else part.field.symbol(part.start if asks_end else part.end)
            words += self.write_chain(part, *((given, "?") if asks_end else ("?", given)), part.unknown)
        return " ".join(words)

    @staticmethod
    def write_chain(problem: Problem, start: str, end: str, asked: str) -> list[str]:
        """Return the words of one part of a prompt; start, end: what stands there for the ends of the chain."""
        words = ["x", start]
        for label, (operator, operand) in enumerate(problem.operations, problem.first_label):
            words += [f"L{label}", SIGNS[operator], problem.field.symbol(operand)]
        return [*words, "y", end, "?", asked]

    def write_map(self, field: Field) -> list[str]:
        """Return the words that state the symbol map."""
        pairs = ([f"e{index}", str(element)] for index, element in enumerate(field.elements))
        return ["M", *(word for pair in pairs for word in pair)]

    _STEP = r"L(\d+) ([+*]) (e\d+) "
    _CHAIN = rf"x (\?|A|e\d+) ((?:{_STEP})+)y (\?|A|e\d+) \? [xy]"
    _PROMPT = re.compile(rf"(?:M((?: e\d+ \d+)+) )?({_CHAIN}(?: {_CHAIN})*)")

    def read_prompt(self, prompt: str, order: int, field: Field | None) -> AnyProblem:
        match = self._PROMPT.fullmatch(prompt)
        if match is None:
            raise ValueError(f"not a symbolic prompt: {prompt!r}")
        stated = (match[1] or "").split()[1::2]
        field = find_stated_field(order, stated, field)
        parts = []
        for chain in re.finditer(self._CHAIN, match[2]):
            steps = re.findall(self._STEP, chain[2])
            operations = [(OPERATORS[sign], require(field.element(symbol), symbol)) for _, sign, symbol in steps]
            parts.append((*(self._read_end(word, field) for word in (chain[1], chain[6])), operations))
        first_label = int(re.search(r"L(\d+)", match[2])[1])
        problem = build_problem(field, parts, first_label, bool(stated))
        if self.write_prompt(problem) != prompt:
            raise ValueError(f"not a symbolic prompt: {prompt!r}")
        return problem

    @staticmethod
    def _read_end(word: str, field: Field) -> Given:
        return {"?": None, "A": "before"}[word] if word in ("?", "A") else require(field.element(word), word)

    def write_opening(self, name: str, label: int | None = None) -> str:
        return " ".join([*self._write_label(label), name])

    def write_step_start(self, label: int) -> str:
        return f"L{label}"

    def write_completion(self, trace: Trace, field: Field, label: int | None = None) -> str:
        words = [*self._write_label(label), trace.opening[0], field.symbol(trace.opening[1])]
        for step in trace.steps:
            words += [f"L{step.label}", SIGNS[step.operator], field.symbol(step.operand), field.symbol(step.result)]
        start, end = map(field.symbol, trace.answer)
        return " ".join([*words, "A", "x", start, "y", end])

    @staticmethod
    def _write_label(label: int | None) -> list[str]:
        return [] if label is None else [f"L{label}"]

    def read_completion(self, completion: str, field: Field, label: int | None = None) -> Trace:
        words = completion.split(" ")
        answer = None
        if words.count("A") == 1 and words[-5:-3] == ["A", "x"] and words[-2] == "y":
            ends = field.element(words[-3]), field.element(words[-1])
            answer = None if None in ends else ends
        body = words[:-5] if answer else words
        before = self._write_label(label)
        body = body[len(before) :] if body[: len(before)] == before else []
        opening = None
        if len(body) >= 2 and body[0] in NAMES and (value := field.element(body[1])) is not None:
            opening = (body[0], value)
        steps = []
        position = 2
        while opening and (step := self._read_step(body[position : position + 4], field)):
            steps.append(step)
            position += 4
        return Trace(opening, tuple(steps), answer, readable=opening is not None and position == len(body))

    def join_parts(self, completions: list[str]) -> str:
        return " ".join(completions)

    def split_parts(self, completion: str) -> list[str]:
        words = completion.split(" ")
        pieces = []
        begin = 0
        while "A" in words[begin:]:
            end = words.index("A", begin) + 5
            pieces.append(" ".join(words[begin:end]))
            begin = end
        return [*pieces, " ".join(words[begin:])] if begin < len(words) else pieces

    def split_pieces(self, completion: str) -> list[str]:
        pieces: list[list[str]] = []
        room = 0
        for word in completion.split(" "):
            # A label or A begins a piece even where the one before lacks words, so that a slip spoils one piece only.
            if room == 0 or word == "A" or word.startswith("L"):
                pieces.append([])
                room = {"A": 5, "x": 2, "y": 2}.get(word, 4)
            elif word in NAMES and len(pieces[-1]) == 1 and pieces[-1][0].startswith("L"):
                room = 2  # the opening of a part, behind its label
            pieces[-1].append(word)
            room -= 1
        return [" ".join(words) for words in pieces]

    @staticmethod
    def _read_step(words: list[str], field: Field) -> TraceStep | None:
        if len(words) != 4 or words[1] not in OPERATORS or not re.fullmatch(r"L[1-9][0-9]?", words[0]):
            return None
        operand, result = field.element(words[2]), field.element(words[3])
        if operand is None or result is None:
            return None
        return TraceStep(int(words[0][1:]), OPERATORS[words[1]], operand, result)

    def count_words(self, steps: int, parts: int) -> int:
        return parts * (2 + 4 * steps + 5 + (parts > 1))
