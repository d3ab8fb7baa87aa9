"""The one verifier, used by RL as the reward and by evaluation as the score: exact on the answer line, or nothing."""

from selectimprove.problems import Problem
from selectimprove.texts import NAMES, TextForm


def find_answer(ends: tuple[int, int] | None, problem: Problem) -> int | None:
    """Return what an answer line, given as its values of x and y, says of the one that the problem asks for."""
    return None if ends is None else ends[NAMES.index(problem.unknown)]


def verify_completion(completion: str, problem: Problem, text: TextForm) -> float:
    """Return 1.0 if the completion ends with its only answer line and that line has the right answer, else 0.0."""
    return float(find_answer(text.read_completion(completion, problem.field).answer, problem) == problem.answer)
