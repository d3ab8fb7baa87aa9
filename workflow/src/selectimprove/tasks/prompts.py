"""From what a prompt says to its problem; shared by the text forms."""

from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import AnyProblem, compose_problems, make_problem

Given = int | str | None  # an end of a part's chain, as its prompt gives it; "before": the answer of the part before


def build_problem(
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


def require(element: int | None, symbol: str) -> int:
    if element is None:
        raise ValueError(f"{symbol!r} is not a symbol of the field")
    return element


def find_stated_field(order: int, stated: list[str], field: Field | None) -> Field:
    """Return the field whose map a prompt states, or the one given where it states none."""
    if not stated:
        if field is None:
            raise ValueError("the prompt states no symbol map and no field is given")
        return field
    elements = tuple(int(element) for element in stated)
    if sorted(elements) != list(range(order)):
        raise ValueError(f"the stated map is not a permutation of GF({order})")
    return Field(order, elements)
