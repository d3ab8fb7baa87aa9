"""The two text forms of a problem and of a completion: symbolic words and plain sentences.

The model decides the form: `symbolic` for the tiny word-level tokenizer, `sentences` for a pretrained model. A
completion is the same trace in both: an opening that names x or y and its value, one line a step, and an answer line
that gives both ends of the chain, of which only the one that was asked for counts.

    symbolic   x e3 L7 + e5 L8 * e2 y ? ? y         ->  x e3 L7 + e5 e9 L8 * e2 e1 A x e3 y e1
    sentences  Start: x = e3. Step 7: add e5. ...   ->  x = e3 / Step 7: e3 + e5 = e9 / ... / Answer: x = e3, y = e1

The prompt of a composition states its parts in a row, where the word A (the answer before) stands for what a part is
given; a completion is one such trace a part, each with its answer line. In symbolic words such a trace is preceded by
the label of the part's first step, which says where in the prompt the part is.
"""

import re
from dataclasses import dataclass
from typing import Protocol

from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import AnyProblem, Problem, compose_problems, make_problem

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


class TextForm(Protocol):
    """How problems and traces are written and read. `read_*` accept exactly what `write_*` make."""

    label_pool: int | None  # how many labels steps can bear, drawn at random; None: they count from 1

    def write_prompt(self, problem: AnyProblem) -> str: ...

    def read_prompt(self, prompt: str, order: int, field: Field | None) -> AnyProblem:
        """Return the problem that `prompt` states; `field` is needed where the prompt does not state its map.

        Raises ValueError if the prompt does not have this form.
        """
        ...

    def write_opening(self, name: str, label: int | None = None) -> str:
        """Return the words that open a completion whose opening names `name`, x or y; label: as in write_completion."""
        ...

    def write_completion(self, trace: Trace, field: Field, label: int | None = None) -> str:
        """Return a trace in words; label: of the first step, where it is that of a composition's part."""
        ...

    def read_completion(self, completion: str, field: Field, label: int | None = None) -> Trace:
        """Return what any text at all can be read as; never raises.

        The answer counts only if the completion ends with its one and only answer line, to the letter.
        """
        ...

    def join_parts(self, completions: list[str]) -> str:
        """Return the completion of a composition from those of its parts; of any problem, from its pieces."""
        ...

    def split_parts(self, completion: str) -> list[str]:
        """Return any text cut after each answer line, or what begins like one; never raises."""
        ...

    def split_pieces(self, completion: str) -> list[str]:
        """Return any text cut into openings, steps and answer lines, or what stands in their place; never raises.

        `join_parts` of the pieces gives the text back.
        """
        ...

    def count_words(self, steps: int, parts: int) -> int:
        """Return how many words a completion of parts of `steps` steps has: no tokenizer makes fewer tokens."""
        ...


Given = int | str | None  # an end of a part's chain, as its prompt gives it; "before": the answer of the part before


def _build_problem(
    field: Field, parts: list[tuple[Given, Given, list[tuple[str, int]]]], first_label: int, stated: bool
) -> AnyProblem:
    """Return the problem of these parts, each (start, end, operations) with one end given.

    Raises ValueError unless the first part is given a value and each other the answer before it.
    """
    kinds = []
    givens = []
    for position, (start, end, _) in enumerate(parts):
        if (start is None) == (end is None):
            raise ValueError("a part is given either x or y")
        kinds.append("inversion" if start is None else "evaluation")
        givens.append(end if start is None else start)
        if (givens[-1] == "before") != (position > 0):
            raise ValueError("the first part is given a value, each other the answer before it")
    operations = tuple(operation for _, _, own in parts for operation in own)
    if len(parts) == 1:
        return make_problem(kinds[0], field, givens[0], operations, first_label, stated)
    lengths = [len(own) for _, _, own in parts]
    return compose_problems(kinds, lengths, field, givens[0], operations, first_label, stated)


def _require(element: int | None, symbol: str) -> int:
    if element is None:
        raise ValueError(f"{symbol!r} is not a symbol of the field")
    return element


def _find_field(order: int, stated: list[str], field: Field | None) -> Field:
    """Return the field whose map a prompt states, or the one given where it states none."""
    if not stated:
        if field is None:
            raise ValueError("the prompt states no symbol map and no field is given")
        return field
    elements = tuple(int(element) for element in stated)
    if sorted(elements) != list(range(order)):
        raise ValueError(f"the stated map is not a permutation of GF({order})")
    return Field(order, elements)


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
        field = _find_field(order, stated, field)
        parts = []
        for chain in re.finditer(self._CHAIN, match[2]):
            steps = re.findall(self._STEP, chain[2])
            operations = [(OPERATORS[sign], _require(field.element(symbol), symbol)) for _, sign, symbol in steps]
            parts.append((*(self._read_end(word, field) for word in (chain[1], chain[6])), operations))
        first_label = int(re.search(r"L(\d+)", match[2])[1])
        problem = _build_problem(field, parts, first_label, bool(stated))
        if self.write_prompt(problem) != prompt:
            raise ValueError(f"not a symbolic prompt: {prompt!r}")
        return problem

    @staticmethod
    def _read_end(word: str, field: Field) -> Given:
        return {"?": None, "A": "before"}[word] if word in ("?", "A") else _require(field.element(word), word)

    def write_opening(self, name: str, label: int | None = None) -> str:
        return " ".join([*self._write_label(label), name])

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
            field = _find_field(order, re.findall(r" = (\d+)", lines.pop(0)) if stated else [], field)
            parts = []
            labels = []
            while lines:
                start = self._read_end(self._LINES["start"].fullmatch(lines.pop(0)), field)
                operations = []
                while step := self._LINES["step"].fullmatch(lines[0]):
                    labels.append(int(step[1]))
                    operations.append((step[2], _require(field.element(step[3]), step[3])))
                    lines.pop(0)
                end = self._read_end(self._LINES["end"].fullmatch(lines.pop(0)), field)
                parts.append((start, end, operations))
                if not self._LINES["question"].fullmatch(lines.pop(0)):
                    raise ValueError
            problem = _build_problem(field, parts, labels[0], stated)
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
            else _require(field.element(symbol), symbol)
        )

    def write_opening(self, name: str, label: int | None = None) -> str:
        return f"{name} ="

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


TEXT_FORMS: dict[str, TextForm] = {"symbolic": SymbolicText(), "sentences": SentenceText()}
