"""From what a prompt says to its problem; shared by the text forms."""

from selectimprove.tasks.problems import AnyProblem, compose_problems, make_problem
from selectimprove.tasks.task import Operation, Task, Value

BEFORE = object()  # what is given in place of a value where it is the answer of the part before
Given = Value | None  # an end of a part's chain, as its prompt gives it: a value, BEFORE, or None


def build_problem(task: Task, parts: list[tuple[Given, Given, list[Operation]]], first_label: int) -> AnyProblem:
    """Return the problem of these parts, each (start, end, operations) with one end given.

    Raises ValueError unless each has a step and the first is given a value, each other the answer before it.
    """
    kinds = []
    givens = []
    for position, (start, end, own) in enumerate(parts):
        if not own:
            raise ValueError("a part has a step")
        if (start is None) == (end is None):
            raise ValueError("a part is given either x or y")
        kinds.append("inversion" if start is None else "evaluation")
        givens.append(end if start is None else start)
        if (givens[-1] is BEFORE) != (position > 0):
            raise ValueError("the first part is given a value, each other the answer before it")
    operations = tuple(operation for _, _, own in parts for operation in own)
    if len(parts) == 1:
        return make_problem(kinds[0], task, givens[0], operations, first_label)
    return compose_problems(kinds, [len(own) for _, _, own in parts], task, givens[0], operations, first_label)
