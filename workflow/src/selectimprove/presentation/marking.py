"""Where a completion goes wrong, to show it: its pieces in order, and which of them is the first that is not right."""

from dataclasses import dataclass
from itertools import zip_longest

from selectimprove.tasks.problems import AnyProblem
from selectimprove.tasks.strategies import OPENED_STRATEGIES, STRATEGIES, SUITED
from selectimprove.tasks.texts import TextForm


@dataclass(frozen=True)
class MarkedPiece:
    """An opening, a step or an answer line as written, or what stands in its place.

    state: "right"; "wrong" for the first piece that is not; "after" for what follows that one. expected: what should
    stand in place of the wrong piece, "" if nothing should; None for the other pieces.
    """

    text: str
    state: str
    expected: str | None


def mark_completion(completion: str, problem: AnyProblem, text: TextForm) -> list[MarkedPiece]:
    """Return the pieces of any completion, part after part; never raises.

    Each part is held against its right trace in the strategy that it opens with, or in the suited one if it opens with
    none. The wrong piece is the first wrong step of `read_completion`; but where text follows a whole right trace, it
    is that text. If a completion ends too early, an empty wrong piece at the end stands for what is missing. All other
    pieces, joined by `text.join_parts`, give the completion back.
    """
    pieces = text.split_pieces(completion, problem.task)
    expected: list[str] = []
    for part, mark in zip(problem.parts, problem.part_marks, strict=True):
        opening = text.read_completion(next(iter(pieces[len(expected) :]), ""), part.task, mark)
        strategy = OPENED_STRATEGIES[opening.opening[0]] if opening.opening else SUITED[part.kind]
        expected += text.split_pieces(text.write_completion(STRATEGIES[strategy](part), part.task, mark), part.task)
    # There is one way to write each right piece, so the texts differ first where `read_completion` finds a wrong step.
    pairs = enumerate(zip_longest(pieces, expected))
    wrong = next((place for place, (written, right) in pairs if written != right), None)
    marked = [MarkedPiece(piece, "right", None) for piece in pieces[:wrong]]
    if wrong is not None:
        written, right = (next(iter(side[wrong:]), "") for side in (pieces, expected))
        marked.append(MarkedPiece(written, "wrong", right))
        marked += [MarkedPiece(piece, "after", None) for piece in pieces[wrong + 1 :]]
    return marked
