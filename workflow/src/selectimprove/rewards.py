"""The one verifier, used by RL as the reward and by evaluation as the score."""

from selectimprove.problems import Problem
from selectimprove.strategies import read_completion
from selectimprove.texts import TextForm


def verify_completion(completion: str, problem: Problem, text: TextForm) -> float:
    """Return 1.0 if the completion ends with its only answer line and that line is exactly right, else 0.0."""
    return float(read_completion(completion, problem, text).correct)
