"""The two reasoning strategies, and reading a completion back.

A strategy is the order in which a completion writes the values of the chain: forward from x to y, backward from y to
x, undoing the steps. Each can be written for each kind. On the kind it does not suit (forward on inversion, backward
on evaluation) the completion opens with the very value that is asked for, which a solver can only guess.

A trace is read to follow a strategy if it opens with it and its steps go on in its order. Each step that can be read
has up to two votes on the order: its operation, where only steps of prompts have one of its name (+ and *: forward) or
only their inverses do (- and /: backward), and its label (higher than the one before: forward, lower: backward; that of
the first step: in the lower half of the chain's labels or in the upper). The majority decides, so that one slip does
not. Without steps, or with as many votes for either, the opening alone decides.
A trace of which opening and steps differ is "mixed", one without an opening is of the strategy "none".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from selectimprove.tasks.problems import AnyProblem, Problem
from selectimprove.tasks.rewards import find_answer, find_final_answer, read_parts
from selectimprove.tasks.task import Value
from selectimprove.tasks.texts import TextForm
from selectimprove.tasks.traces import Trace, TraceStep

OPENING_NAMES = {"forward": "x", "backward": "y"}
OPENED_STRATEGIES = {name: strategy for strategy, name in OPENING_NAMES.items()}
FAILURES = ("wrong_opening", "stopped_early", "lost_place", "wrong_fact", "wrong_answer", "no_answer")


def write_forward(problem: Problem) -> Trace:
    """Return the correct trace from the start of the chain to its end."""
    steps = [
        TraceStep(label, operation, result, left)
        for label, operation, left, result in zip(
            range(problem.first_label, problem.first_label + problem.steps),
            problem.operations,
            problem.values,
            problem.values[1:],
            strict=False,
        )
    ]
    return Trace(("x", problem.start), tuple(steps), (problem.start, problem.end))


def write_backward(problem: Problem) -> Trace:
    """Return the correct trace from the end of the chain to its start, each step by the inverse of its operation."""
    steps = [
        TraceStep(step.label, problem.task.invert(step.operation), step.left, step.result)
        for step in reversed(write_forward(problem).steps)
    ]
    return Trace(("y", problem.end), tuple(steps), (problem.start, problem.end))


STRATEGIES = {"forward": write_forward, "backward": write_backward}
SUITED = {"evaluation": "forward", "inversion": "backward"}


@dataclass(frozen=True)
class Reading:
    """What a completion says, judged against its problem.

    strategy: "forward", "backward" or "none"; "mixed" where opening and steps differ, or the parts of a composition.
    answer: what the answer line says of the value that is asked for, None without one. correct: whether that is right,
    however it was reached. first_wrong_step: None if the whole trace is right; 0 for the opening, k for the k-th
    written step, steps + 1 for the answer line, within the first part that is not right; right is what the strategy
    that the part opens with would write. failure: why that step is wrong, one of FAILURES. correct_parts: how many
    parts from the first on have the right answer.
    """

    strategy: str
    answer: Value | None
    correct: bool
    first_wrong_step: int | None
    failure: str | None
    correct_parts: int


def _find_failure(problem: Problem, trace: Trace) -> tuple[int | None, str | None]:
    """Return the first wrong step and its failure kind; (None, None) for a trace that is right throughout."""
    if trace.opening is None:
        return 0, "no_answer" if trace.answer is None else "wrong_opening"
    expected = STRATEGIES[OPENED_STRATEGIES[trace.opening[0]]](problem)
    if trace.opening != expected.opening:
        return 0, "wrong_opening"
    value = trace.opening[1]
    for position, right in enumerate(expected.steps, 1):
        if position > len(trace.steps):
            if trace.answer is None:
                return position, "no_answer"
            return position, "stopped_early" if trace.readable else "lost_place"
        step = trace.steps[position - 1]
        in_place = (step.label, step.operation) == (right.label, right.operation)
        if not in_place or step.left not in (None, value):
            return position, "lost_place"
        if step.result != right.result:
            return position, "wrong_fact"
        value = step.result
    if len(trace.steps) > problem.steps or (trace.answer and not trace.readable):
        return problem.steps + 1, "lost_place"
    if trace.answer is None:
        return problem.steps + 1, "no_answer"
    if trace.answer != expected.answer:
        return problem.steps + 1, "wrong_answer"
    return None, None


def write_solution(problem: AnyProblem, strategies: Iterable[str], text: TextForm) -> str:
    """Return the right completion of a problem with each part in its strategy."""
    parts = zip(problem.parts, problem.part_marks, strategies, strict=True)
    return text.join_parts(
        [text.write_completion(STRATEGIES[strategy](part), part.task, mark) for part, mark, strategy in parts]
    )


def _count_votes(steps: tuple[TraceStep, ...], problem: Problem) -> int:
    """Return by how many votes the steps of a trace are in forward order; negative: in backward order."""
    directions = [problem.task.find_direction(step.operation) for step in steps]
    labels = [step.label for step in steps]
    below_middle = [2 * problem.first_label + problem.steps - 1 - 2 * label for label in labels[:1]]
    moves = [*below_middle, *(label - before for before, label in pairwise(labels))]
    return sum(directions) + sum((move > 0) - (move < 0) for move in moves)


def find_strategy(trace: Trace, problem: Problem) -> str:
    """Return the strategy of one part's trace: "forward", "backward", "mixed" or "none"."""
    if trace.opening is None:
        return "none"
    opened = OPENED_STRATEGIES[trace.opening[0]]
    votes = _count_votes(trace.steps, problem)
    return "mixed" if votes and opened != ("forward" if votes > 0 else "backward") else opened


def read_completion(completion: str, problem: AnyProblem, text: TextForm) -> Reading:
    """Judge any completion against its problem; never raises."""
    traces = read_parts(completion, problem, text)
    answer = find_final_answer(traces, problem)
    of_parts = list(zip(traces, problem.parts, strict=False))
    strategies = {find_strategy(trace, part) for trace, part in of_parts}
    failures = [_find_failure(part, trace) for trace, part in of_parts]
    if len(traces) < len(problem.parts):
        failures.append((0, "stopped_early"))
    elif len(traces) > len(problem.parts):
        failures.append((problem.parts[-1].steps + 1, "no_answer"))
    right = [find_answer(trace, part) == part.answer for trace, part in of_parts]
    first_wrong_step, failure = next((found for found in failures if found[1] is not None), (None, None))
    return Reading(
        strategy=strategies.pop() if len(strategies) == 1 else "mixed",
        answer=answer,
        correct=answer == problem.answer,
        first_wrong_step=first_wrong_step,
        failure=failure,
        correct_parts=[*right, False].index(False),
    )
