"""Compositions to test with: an oracle of their answers, and how their completions are written part by part."""

import itertools
import re

from hypothesis import settings
from oracles import move_questions, spell

from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import Composition, Problem
from selectimprove.tasks.strategies import STRATEGIES, SUITED

GAPS = {"symbolic": " ", "symbolic_question_first": " ", "sentences": "\n"}
few_examples = settings(max_examples=40)

GF11_FIELD = Field(11, (3, 1, 4, 0, 5, 9, 2, 6, 8, 7, 10))
# 4 + 9 = 2, 2 * 7 = 3; then the x with x + 5 = 3, which is 9.
PROBLEM = Composition(
    (
        Problem("evaluation", GF11_FIELD, 4, (("add", 9), ("multiply", 7)), 7),
        Problem("inversion", GF11_FIELD, 9, (("add", 5),), 9),
    )
)
INTRO = "We calculate in the finite field with 11 elements, written e0 to e10.\n"
PIECES = {
    "symbolic": {
        "first": "L7 ? y x e2 L7 + e5 e6 L8 * e9 e0 A x e2 y e0",
        "second": "L9 ? x y e0 L9 - e4 e5 A x e5 y e0",
        "line": "A x {} y {}",
        "turned line": "A y {1} x {0}",
        "cut line": "A x {}",
        "opening of a line": "A",
    },
    "sentences": {
        "first": "x = e2\nStep 7: e2 + e5 = e6\nStep 8: e6 * e9 = e0\nAnswer: x = e2, y = e0",
        "second": "y = e0\nStep 9: e0 - e4 = e5\nAnswer: x = e5, y = e0",
        "line": "Answer: x = {}, y = {}",
        "turned line": "Answer: y = {1}, x = {0}",
        "cut line": "Answer: x = {}",
        "opening of a line": "Answer:",
    },
}
PIECES["symbolic_question_first"] = PIECES["symbolic"]


def find_given(part: Problem) -> int:
    return part.start if part.kind == "evaluation" else part.end


def find_content(problem) -> tuple:
    """Return what makes a chain the same chain: a composition is that of all its operations from what it is given."""
    if isinstance(problem, Problem):
        return problem.start, problem.operations
    return find_given(problem.parts[0]), tuple(itertools.chain.from_iterable(part.operations for part in problem.parts))


# --- An oracle that knows the text forms and integer arithmetic, and nothing of the library.


def split_prompt(prompt: str, form: str) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """Return (name asked for, word given, [(label, sign, operand word), ...]) of each part of a prompt."""
    parts = []
    if form == "symbolic_question_first":
        return split_prompt(move_questions(prompt), "symbolic")
    if form == "symbolic":
        words = prompt.split(" ")
        if words[0] == "M":
            words = words[words.index("x") :]
        while words:
            assert words.pop(0) == "x"
            ends = {"x": words.pop(0)}
            steps = []
            while words[0] != "y":
                steps.append((words.pop(0).removeprefix("L"), words.pop(0), words.pop(0)))
            words.pop(0)
            ends["y"] = words.pop(0)
            assert words.pop(0) == "?"
            asked = words.pop(0)
            assert ends.pop(asked) == "?"
            parts.append((asked, *ends.values(), steps))
        return parts
    for line in prompt.split("\n"):
        words = line.rstrip(".?").split(" ")
        if words[0] == "Start:":
            steps = []
            start = "?" if "not" in words else " ".join(words[3:])
        elif words[0] == "Step":
            steps.append((words[1].rstrip(":"), {"add": "+", "multiply": "*"}[words[2]], words[-1]))
        elif words[0] == "End:":
            end = "?" if "not" in words else " ".join(words[3:])
        elif words[0] == "What":
            asked, ends = words[2], {"x": start, "y": end}
            assert ends.pop(asked) == "?"
            parts.append((asked, *ends.values(), steps))
    return parts


def pays(completion: str, problem, form: str) -> bool:
    """Return whether there is exactly one answer line a part, the last of them at the end and right."""
    symbols = {spell(value, problem.task, form): value for value in problem.task.values}
    if form.startswith("symbolic"):
        words = completion.split(" ")
        length = len(next(iter(symbols)).split())  # of a value
        lines = [words[place : place + 3 + 2 * length] for place, word in enumerate(words) if word == "A"]
        shaped = all(len(line) == 3 + 2 * length and (line[1], line[2 + length]) == ("x", "y") for line in lines)
        values = [(" ".join(line[2 : 2 + length]), " ".join(line[3 + length :])) for line in lines if shaped]
        at_end = words[-3 - 2 * length :] in lines
    else:
        lines = [line for line in completion.split("\n") if "Answer:" in line]
        matches = [re.fullmatch(r"Answer: x = (.+), y = (.+)", line) for line in lines]
        shaped = all(matches)
        values = [match.groups() for match in matches if shaped]
        at_end = completion.split("\n")[-1] in lines
    if not (shaped and at_end and len(values) == len(problem.parts)):
        return False
    if not all(symbol in symbols for pair in values for symbol in pair):
        return False
    asked = 1 if problem.parts[-1].kind == "evaluation" else 0
    return symbols[values[-1][asked]] == problem.parts[-1].answer


# --- Completions, part by part.


def write(problem, strategies, text) -> str:
    return join(write_traces(problem, strategies), problem, text)


def write_traces(problem, strategies) -> list:
    """Return the right trace of each part in its strategy."""
    return [STRATEGIES[name](part) for name, part in zip(strategies, problem.parts, strict=True)]


def join(traces, problem, text) -> str:
    asked = {part.first_label: part.unknown for part in problem.parts}
    labels = [min(step.label for step in trace.steps) for trace in traces]
    return text.join_parts(
        [
            text.write_completion(trace, problem.task, (label, asked[label]))
            for trace, label in zip(traces, labels, strict=True)
        ]
    )


def count_words(part, text) -> int:
    """Return how many words a part of a composition has."""
    return text.count_words(part.task, part.steps, 2) // 2


def write_suited(problem, text) -> str:
    return write(problem, [SUITED[part.kind] for part in problem.parts], text)
