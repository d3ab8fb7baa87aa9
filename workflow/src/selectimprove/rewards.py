"""The one verifier, used by RL as the reward and by evaluation as the score: exact on the answer line, or nothing."""

from selectimprove.problems import Problem
from selectimprove.texts import NamedValue, TextForm


def verify_answer(answer: NamedValue | None, problem: Problem) -> bool:
    """Return whether an answer line names the value asked for and gives it."""
    return answer == (problem.unknown, problem.answer)


def verify_completion(completion: str, problem: Problem, text: TextForm) -> float:
    """Return 1.0 if the completion ends with its only answer line and that line is exactly right, else 0.0."""
    return float(verify_answer(text.read_completion(completion, problem.field).answer, problem))
