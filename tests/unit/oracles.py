"""What is right, worked out by the tests' own means: they share no code with the library, and undo by searching.

Of each task: what an operation makes of a value, how a value is written, and the answer of each part of a prompt from
its text alone.
"""

import re
from collections import deque


def calculate(operation: tuple, value, task):
    """Return what an operation of a prompt or of a completion makes of a value of the task."""
    return CALCULATE[type(task).__name__](operation, value, task)


def run_chain(start, operations, task):
    """Return the end of the chain."""
    for operation in operations:
        start = calculate(tuple(operation), start, task)
    return start


def spell(value, task, form: str) -> str:
    """Return a value as texts have it."""
    match type(task).__name__:
        case "Field":
            return f"e{task.elements.index(value)}"
        case "Programs":
            return " ".join(value) if form.startswith("symbolic") else f'"{value}"'
        case "Cups":
            return f"cup{value}"
    raise KeyError(task)


def solve_prompt(prompt: str, task, form: str) -> list:
    """Return the answer of each part, from the text of a prompt; what is not known is found by trying every value."""
    return SOLVE[type(task).__name__, form](prompt, task)


def calculate_field(operation: tuple, value: int, task) -> int:
    """Return `value operator operand` in GF(p); subtraction and division by searching for what undoes them."""
    operator, operand = operation
    if operator == "add":
        return (value + operand) % task.order
    if operator == "multiply":
        return value * operand % task.order
    undone_by = {"subtract": "add", "divide": "multiply"}[operator]
    return next(other for other in range(task.order) if calculate_field((undone_by, operand), other, task) == value)


def calculate_program(operation: tuple, value: str, task) -> str:
    name, *numbers = operation
    letters = deque(value)
    if name == "rotate":
        letters.rotate(-numbers[0])
    elif name == "reverse":
        letters.reverse()
    elif name == "swap":
        letters[numbers[0]], letters[numbers[1]] = value[numbers[1]], value[numbers[0]]
    elif name == "shift":
        letters[numbers[0]] = chr((ord(value[numbers[0]]) - ord("a") + numbers[1]) % task.letters + ord("a"))
    return "".join(letters)


def calculate_cups(operation: tuple, value: int, task) -> int:
    balls = [place == value for place in range(task.cups + 1)]
    _, first, second = operation
    balls[first], balls[second] = balls[second], balls[first]
    return balls.index(True)


CALCULATE = {"Field": calculate_field, "Programs": calculate_program, "Cups": calculate_cups}


def move_questions(prompt: str) -> str:
    """Return a prompt in symbolic_question_first with the name that each part asks for behind it."""
    return re.sub(r"\b([xy]) (x (?:(?! [xy] x ).)+? \?)(?= [xy] x |$)", r"\2 \1", prompt)


def solve_words(prompt: str, task, length: int, width: int, read_operation) -> list:
    """Return the answers of a symbolic prompt. length: the words of a value; width: those of an operation."""
    by_words = {spell(value, task, "symbolic"): value for value in task.values}
    words = prompt.split(" ")
    if words[0] == "M":
        words = words[words.index("x") :]
    answers: list = []

    def take_end(name):
        assert words.pop(0) == name
        if words[0] in "?A":
            return words.pop(0)
        return by_words[" ".join(words.pop(0) for _ in range(length))]

    while words:
        start = take_end("x")
        operations = []
        while words[0] != "y":
            words.pop(0)
            operations.append(read_operation([words.pop(0) for _ in range(width)], by_words))
        end = take_end("y")
        assert words.pop(0) == "?"
        answers.append(find_answer(words.pop(0), start, end, operations, answers, task))
    return answers


def find_answer(asked: str, start, end, operations, answers, task):
    """Return the end of a chain, or the start that leads to its end; "A": the answer before, "?": what is asked for."""
    known = start if asked == "y" else end
    assert (start, end)[asked == "y"] == "?"
    assert (known == "A") == bool(answers)
    known = answers[-1] if known == "A" else known
    if asked == "y":
        return run_chain(known, operations, task)
    (found,) = [value for value in task.values if run_chain(value, operations, task) == known]
    return found


def read_field_words(words, elements) -> tuple:
    return {"+": "add", "*": "multiply"}[words[0]], elements[words[1]]


def read_program_word(words, _) -> tuple:
    name, numbers = re.fullmatch(r"([a-z]+)([0-9+]*)", words[0]).groups()
    return name, *map(int, numbers.replace("+", ""))


def read_cups_words(words, cups) -> tuple:
    return words[0], cups[words[1]], cups[words[2]]


def solve_lines(prompt: str, task, read_operation, before: str) -> list:
    """Return the answers of a prompt in English, of which a line says one thing."""
    by_words = {spell(value, task, "sentences"): value for value in task.values} | {before: "A"}
    answers: list = []
    for line in prompt.split("\n"):
        if match := re.fullmatch(r".*(?:Start:|At first) x (?:= (.+)|is not known)\.", line):
            start, operations = by_words.get(match[1], "?"), []
        elif line.startswith("Step "):
            operations.append(read_operation(line.rstrip(".").split(": ")[1].split(" "), by_words))
        elif match := re.fullmatch(r"(?:End:|At last) y (?:= (.+)|is not known)\.", line):
            end = by_words.get(match[1], "?")
        elif match := re.fullmatch(r"What is ([xy])\?", line):
            answers.append(find_answer(match[1], start, end, operations, answers, task))
    return answers


def execute_program(prompt: str, task) -> list:
    """Return the answers of a prompt that is Python: it is executed, part by part; an input is found by trying all."""
    answers: list = []
    scope: dict = {}
    for part in re.split(r"(?<=# What is [xy]\?)\n", prompt):
        scope = {"answer": answers[-1]} if answers else {}
        exec(part, scope)
        if part.endswith("# What is y?"):
            answers.append(scope["y"])
            assert scope["f"](scope["x"]) == scope["y"]
        else:
            assert "x" not in scope
            (found,) = [value for value in task.values if scope["f"](value) == scope["y"]]
            answers.append(found)
    return answers


SOLVE = {
    ("Field", "symbolic"): lambda prompt, task: solve_words(prompt, task, 1, 2, read_field_words),
    ("Field", "sentences"): lambda prompt, task: solve_lines(
        prompt, task, lambda words, elements: (words[0], elements[words[-1]]), "the answer before"
    ),
    ("Programs", "symbolic"): lambda prompt, task: solve_words(prompt, task, task.length, 1, read_program_word),
    ("Programs", "sentences"): execute_program,
    ("Cups", "symbolic"): lambda prompt, task: solve_words(prompt, task, 1, 3, read_cups_words),
    ("Cups", "sentences"): lambda prompt, task: solve_lines(
        prompt, task, lambda words, cups: (words[0], cups[words[1]], cups[words[3]]), "the answer before"
    ),
}
SOLVE |= {
    (name, "symbolic_question_first"): lambda prompt, task, solve=solve: solve(move_questions(prompt), task)
    for (name, form), solve in SOLVE.items()
    if form == "symbolic"
}
