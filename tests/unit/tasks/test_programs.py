"""Programs: the texts to the letter, and prompts and completions that Python executes as they stand."""

import re

import pytest
from generators import PROGRAMS, problems
from hypothesis import given

from selectimprove.tasks.problems import Problem, compose_problems
from selectimprove.tasks.programs import Programs
from selectimprove.tasks.registry import make_task
from selectimprove.tasks.specs import TaskSpec
from selectimprove.tasks.strategies import STRATEGIES, write_solution
from selectimprove.tasks.texts import TEXT_FORMS

STRINGS = Programs(3, 5)
SYMBOLIC, SENTENCES = TEXT_FORMS["symbolic"], TEXT_FORMS["sentences"]
# bca: rotated cab, shifted ceb, reversed bec, swapped ebc.
OPERATIONS = (("rotate", 2), ("shift", 1, 4), ("reverse",), ("swap", 0, 1))
PROBLEM = Problem("evaluation", STRINGS, "bca", OPERATIONS)


def test_written_forms_are_pinned() -> None:
    """The texts of one problem to the letter: a change of form is a change of every model."""
    forward, backward = (write(PROBLEM) for write in STRATEGIES.values())
    assert SYMBOLIC.write_prompt(PROBLEM) == "x b c a L1 rotate2 L2 shift1+4 L3 reverse L4 swap01 y ? ? y"
    assert SYMBOLIC.write_completion(forward, STRINGS) == (
        "x b c a L1 rotate2 a b c L2 shift1+4 a a c L3 reverse c a a L4 swap01 a c a A x b c a y a c a"
    )
    assert SYMBOLIC.write_completion(backward, STRINGS) == (
        "y a c a L4 swap01 c a a L3 reverse a a c L2 shift1+1 a b c L1 rotate1 b c a A x b c a y a c a"
    )
    assert SENTENCES.write_prompt(PROBLEM) == (
        "# The Python function f is given x and returns y.\n"
        'x = "bca"\n'
        "def f(s):\n"
        "    s = s[2:] + s[:2]  # step 1\n"
        '    s = s[:1] + "eabcd"["abcde".index(s[1])] + s[2:]  # step 2\n'
        "    s = s[::-1]  # step 3\n"
        "    s = s[1] + s[0] + s[2]  # step 4\n"
        "    return s\n"
        "y = f(x)\n"
        "# What is y?"
    )
    assert SENTENCES.write_completion(backward, STRINGS) == (
        'y = "aca"\n'
        'Step 4: s = "aca"; s[1] + s[0] + s[2] == "caa"\n'
        'Step 3: s = "caa"; s[::-1] == "aac"\n'
        'Step 2: s = "aac"; s[:1] + "bcdea"["abcde".index(s[1])] + s[2:] == "abc"\n'
        'Step 1: s = "abc"; s[1:] + s[:1] == "bca"\n'
        'Answer: x = "bca", y = "aca"'
    )


def test_composition_is_pinned() -> None:
    problem = compose_problems(["evaluation", "inversion"], [1, 1], STRINGS, "bca", (("reverse",), ("swap", 1, 2)))
    assert SENTENCES.write_prompt(problem) == (
        "# The Python function f is given x and returns y.\n"
        'x = "bca"\ndef f(s):\n    s = s[::-1]  # step 1\n    return s\ny = f(x)\n# What is y?\n'
        "# x is not known\ndef f(s):\n    s = s[0] + s[2] + s[1]  # step 2\n    return s\ny = answer\n# What is x?"
    )
    assert SYMBOLIC.write_prompt(problem) == "x b c a L1 reverse y ? ? y x ? L2 swap12 y A ? x"


@given(problem=problems(PROGRAMS))
def test_prompt_is_python_that_gives_the_same_values(problem) -> None:
    """The function gives the value after each statement, forward; the inverses in turn undo it."""
    scope: dict = {}
    exec(SENTENCES.write_prompt(problem), scope)
    assert scope["f"](problem.start) == problem.end
    assert scope["y"] == problem.end
    assert ("x" in scope) == (problem.kind == "evaluation")
    statements = re.findall(r"^    s = (.*)  # step \d+$", SENTENCES.write_prompt(problem), re.MULTILINE)
    values = [problem.start]
    for statement in statements:
        values.append(eval(statement, {"s": values[-1]}))
    assert tuple(values) == problem.values
    undone = [problem.end]
    for operation in reversed(problem.operations):
        statement = problem.task.say_operation(problem.task.invert(operation))
        undone.append(eval(statement, {"s": undone[-1]}))
    assert tuple(reversed(undone)) == problem.values


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(problem=problems(PROGRAMS))
def test_every_line_of_a_completion_is_true_python(strategy, problem) -> None:
    completion = write_solution(problem, [strategy], SENTENCES)
    opening, *steps, answer = completion.split("\n")
    scope: dict = {}
    exec(opening, scope)
    assert scope["xy"[strategy == "backward"]] == (problem.start if strategy == "forward" else problem.end)
    for line in steps:
        assignment, comparison = line.split(": ", 1)[1].split("; ")
        exec(assignment, scope)
        assert eval(comparison, scope) is True
    exec(answer.removeprefix("Answer: ").replace(", ", "; "), scope)
    assert (scope["x"], scope["y"]) == (problem.start, problem.end)


@pytest.mark.parametrize("task", [STRINGS, Programs(3, 8), Programs(4, 4)], ids=str)
def test_chains_lead_from_any_string_to_any_other(task) -> None:
    """So what is alike in an answer and the value given, such as equal letters, does not narrow it down."""
    reached, new = set(), {task.values[0]}
    while new:
        reached |= new
        new = {task.apply(operation, value) for value in new for operation in task.operations} - reached
    assert reached == set(task.values)
    assert len(task.values) >= 100


@pytest.mark.parametrize(("length", "letters", "enough"), [(3, 4, False), (3, 5, True), (4, 3, False), (4, 4, True)])
def test_a_guess_is_right_in_less_than_one_case_of_a_hundred(length, letters, enough) -> None:
    spec = TaskSpec("programs", {"length": length, "letters": letters})
    if enough:
        assert make_task(spec).values
    else:
        with pytest.raises(ValueError, match=rf"^letters: found {letters}, which make {letters**length} strings"):
            make_task(spec)
