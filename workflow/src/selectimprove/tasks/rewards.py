"""The one verifier, used by RL as the reward and by evaluation as the score: exact on the answer line, or nothing."""

import itertools

from selectimprove.tasks.problems import AnyProblem, Problem
from selectimprove.tasks.task import Value
from selectimprove.tasks.texts import TextForm
from selectimprove.tasks.traces import NAMES, Trace

# Stands behind the text of a completion that the token budget cut: its last value may lack a letter, so no text form
# reads a value, a step or an answer line that ends with it.
CUT = "<cut>"


def read_parts(completion: str, problem: AnyProblem, text: TextForm) -> list[Trace]:
    """Return the trace of each part as written; as many as there are answer lines, which may not fit the problem."""
    pieces = [completion] if len(problem.parts) == 1 else text.split_parts(completion, problem.task)
    marks = itertools.chain(problem.part_marks, itertools.repeat(None))
    return [text.read_completion(piece, problem.task, mark) for piece, mark in zip(pieces, marks, strict=False)]


def find_answer(trace: Trace, part: Problem) -> Value | None:
    """Return what a trace's answer line says of the value that the part asks for; None without one."""
    return None if trace.answer is None else trace.answer[NAMES.index(part.unknown)]


def find_final_answer(traces: list[Trace], problem: AnyProblem) -> Value | None:
    """Return the answer that a completion ends with; None unless it has one trace a part, each with its answer line."""
    if len(traces) != len(problem.parts) or any(trace.answer is None for trace in traces):
        return None
    return find_answer(traces[-1], problem.parts[-1])


def verify_completion(completion: str, problem: AnyProblem, text: TextForm) -> float:
    """Return 1.0 if the completion ends with the right answer, else 0.0.

    It must have exactly one answer line a part, and the last of them must be its end; with CUT behind it, it has none.
    """
    return float(find_final_answer(read_parts(completion, problem, text), problem) == problem.answer)
