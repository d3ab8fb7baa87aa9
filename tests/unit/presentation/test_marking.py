"""Marks on completions: nothing is lost, and the wrong piece is where `read_completion` finds the first wrong step."""

import pytest
from generators import answered, each_text, mutations, problems
from hypothesis import given
from hypothesis import strategies as st

from selectimprove.presentation.marking import MarkedPiece, mark_completion
from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import Problem, compose_problems
from selectimprove.tasks.strategies import OPENED_STRATEGIES, STRATEGIES, SUITED, read_completion
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.tasks.texts import TEXT_FORMS

SYMBOLIC, SENTENCES = TEXT_FORMS["symbolic"], TEXT_FORMS["sentences"]
GF11 = Field(11, (3, 1, 4, 0, 5, 9, 2, 6, 8, 7, 10))
EVALUATION = Problem("evaluation", GF11, start=4, operations=(("add", 9), ("multiply", 7)), first_label=7)
FORWARD = "x e2 L7 + e5 e6 L8 * e9 e0 A x e2 y e0"
INVERSION = Problem("inversion", GF11, start=4, operations=(("add", 9), ("multiply", 7)), first_label=7)

# Any problem, with a strategy for each of its parts.
SOLVED = st.tuples(problems(), st.tuples(st.sampled_from(list(STRATEGIES)))) | answered()


def write(problem, strategies, text) -> str:
    parts = zip(problem.parts, problem.part_marks, strategies, strict=True)
    return text.join_parts(
        [text.write_completion(STRATEGIES[name](part), part.task, mark) for part, mark, name in parts]
    )


@st.composite
def spoiled(draw, true: str) -> str:
    """Return a true completion after some edits, or cut off, or going on, or any text at all."""
    cut_off = st.integers(0, len(true)).map(lambda end: true[:end])
    going_on = st.tuples(st.just(true), st.sampled_from([" ", "\n", "x"]), mutations(true)).map("".join)
    return draw(mutations(true) | cut_off | going_on | st.text())


def find_wrong_piece(completion, problem, text) -> int | None:
    """Return where the wrong piece must be, by reading part after part."""
    place = 0
    written = [completion] if len(problem.parts) == 1 else text.split_parts(completion, problem.task)
    for part, own in zip(problem.parts, written, strict=False):
        mark = (
            f"L{part.first_label} ? {part.unknown} "
            if len(problem.parts) > 1 and isinstance(text, SymbolicText)
            else ""
        )
        if not own.startswith(mark):
            return place
        own = own.removeprefix(mark)
        reading = read_completion(own, part, text)
        if reading.first_wrong_step is not None:
            whole = "" if reading.strategy == "none" else write(part, [OPENED_STRATEGIES[own[0]]], text)
            goes_on = own.startswith(text.join_parts([whole, ""]))
            return place + reading.first_wrong_step + (whole != "" and goes_on)
        place += part.steps + 2
    return None if len(written) == len(problem.parts) else place


@each_text
@given(solved=SOLVED)
def test_right_trace_is_right_throughout(text, solved) -> None:
    problem, strategies = solved
    marked = mark_completion(write(problem, strategies, text), problem, text)
    assert {(piece.state, piece.expected) for piece in marked} == {("right", None)}
    assert len(marked) == sum(part.steps + 2 for part in problem.parts)


@each_text
@given(completion=st.text() | st.lists(st.sampled_from(["x", "y", "e1", "L1", "A", "", "\n", "+"])).map(" ".join))
def test_pieces_of_any_text_join_back(text, completion) -> None:
    assert text.join_parts(text.split_pieces(completion, GF11)) == completion


@each_text
@given(solved=SOLVED, data=st.data())
def test_pieces_join_back_and_hold_one_wrong_piece_at_most(text, solved, data) -> None:
    problem, strategies = solved
    completion = data.draw(spoiled(write(problem, strategies, text)))
    marked = mark_completion(completion, problem, text)
    joined = text.join_parts([piece.text for piece in marked])
    missing = text.join_parts([completion, ""])  # an empty piece for what is missing
    assert joined == completion or (joined == missing and marked[-1].state == "wrong")
    states = [piece.state for piece in marked]
    right = states.count("right")
    assert states in (["right"] * right, ["right"] * right + ["wrong"] + ["after"] * (len(states) - right - 1))
    assert [piece.expected is None for piece in marked] == [state != "wrong" for state in states]


@each_text
@given(solved=SOLVED, data=st.data())
def test_wrong_piece_is_the_first_wrong_step(text, solved, data) -> None:
    problem, strategies = solved
    completion = data.draw(spoiled(write(problem, strategies, text)))
    states = [piece.state for piece in mark_completion(completion, problem, text)]
    wrong = find_wrong_piece(completion, problem, text)
    assert (states.index("wrong") if "wrong" in states else None) == wrong
    assert (wrong is None) == (read_completion(completion, problem, text).failure is None)


@each_text
@given(solved=SOLVED, data=st.data())
def test_expected_piece_removes_the_error(text, solved, data) -> None:
    """With what is expected in its place, all is right up to there; and so on, until the whole trace is."""
    problem, strategies = solved
    marked = mark_completion(data.draw(spoiled(write(problem, strategies, text))), problem, text)
    while wrong := [piece for piece in marked if piece.state == "wrong"]:
        right = [piece.text for piece in marked if piece.state == "right"]
        corrected = [*right, wrong[0].expected] if wrong[0].expected else right
        marked = mark_completion(text.join_parts(corrected), problem, text)
        assert [piece.text for piece in marked if piece.state == "right"] == corrected
    assert {piece.state for piece in marked} == {"right"}


@each_text
@given(problem=problems(), completion=st.text())
def test_completion_without_a_strategy_should_open_as_suits(text, problem, completion) -> None:
    marked = mark_completion(completion, problem, text)
    suited = text.split_pieces(write(problem, [SUITED[problem.kind]], text), problem.task)
    assert (marked[0].state, marked[0].expected) == ("wrong", suited[0])


@each_text
@given(problem_and_strategies=answered(), data=st.data())
def test_missing_part_should_open_as_suits(text, problem_and_strategies, data) -> None:
    problem, strategies = problem_and_strategies
    kept = data.draw(st.integers(1, len(problem.parts) - 1))
    parts = text.split_parts(write(problem, strategies, text), problem.task)
    marked = mark_completion(text.join_parts(parts[:kept]), problem, text)
    suited = text.split_pieces(write(problem, [SUITED[part.kind] for part in problem.parts], text), problem.task)
    assert marked[-1] == MarkedPiece("", "wrong", suited[sum(part.steps + 2 for part in problem.parts[:kept])])
    assert {piece.state for piece in marked[:-1]} == {"right"}


@pytest.mark.parametrize(
    ("completion", "pieces", "wrong", "expected"),
    [
        (
            "x e2 L7 + e5 e6 L8 * e9 e4 A x e2 y e4",
            ["x e2", "L7 + e5 e6", "L8 * e9 e4", "A x e2 y e4"],
            2,
            "L8 * e9 e0",
        ),
        ("x e2 L7 + e5 e6 L8 * e9 A x e2 y", ["x e2", "L7 + e5 e6", "L8 * e9", "A x e2 y"], 2, "L8 * e9 e0"),
        ("x e2 hm L7 + e5 e6 L8", ["x e2", "hm", "L7 + e5 e6", "L8"], 1, "L7 + e5 e6"),
        ("x e2 L7 + e5 L8 * e9 e0", ["x e2", "L7 + e5", "L8 * e9 e0"], 1, "L7 + e5 e6"),
        ("x L7 + e5 e6", ["x", "L7 + e5 e6"], 0, "x e2"),
        ("y e1 L8", ["y e1", "L8"], 0, "y e0"),
        ("y e0 L7 + e5 e6 L8 * e9 e0", ["y e0", "L7 + e5 e6", "L8 * e9 e0"], 1, "L8 / e9 e6"),
        ("x e2 L7 + e5 e6 A x e2", ["x e2", "L7 + e5 e6", "A x e2"], 2, "L8 * e9 e0"),
        ("x e2 L7 + e5 e6", ["x e2", "L7 + e5 e6", ""], 2, "L8 * e9 e0"),
        ("x e2 ", ["x e2", ""], 1, "L7 + e5 e6"),
        ("", [""], 0, "x e2"),
        (f"{FORWARD} A x", ["x e2", "L7 + e5 e6", "L8 * e9 e0", "A x e2 y e0", "A x"], 4, ""),
    ],
)
def test_marks_of_a_symbolic_completion(completion, pieces, wrong, expected) -> None:
    marked = mark_completion(completion, EVALUATION, SYMBOLIC)
    assert [piece.text for piece in marked] == pieces
    assert [piece.state for piece in marked] == ["right"] * wrong + ["wrong"] + ["after"] * (len(pieces) - wrong - 1)
    assert marked[wrong].expected == expected


def test_marks_of_a_completion_in_sentences() -> None:
    completion = "y = e0\nStep 8: e0 / e9 = e6\nStep 7: e0 - e5 = e2\nAnswer: x = e2, y = e0"
    assert mark_completion(completion, INVERSION, SENTENCES) == [
        MarkedPiece("y = e0", "right", None),
        MarkedPiece("Step 8: e0 / e9 = e6", "right", None),
        MarkedPiece("Step 7: e0 - e5 = e2", "wrong", "Step 7: e6 - e5 = e2"),
        MarkedPiece("Answer: x = e2, y = e0", "after", None),
    ]


def test_marks_of_a_composition() -> None:
    """The second part is held against the strategy that it opens with, whatever the first one opened with."""
    problem = compose_problems(["evaluation", "inversion"], [2, 1], GF11, 4, (*EVALUATION.operations, ("add", 1)), 7)
    forward = SYMBOLIC.split_pieces(write(problem, ["forward", "forward"], SYMBOLIC), problem.task)
    assert forward[:4] == SYMBOLIC.split_pieces(f"L7 ? y {FORWARD}", problem.task)
    completion = SYMBOLIC.join_parts([*forward[:5], "L9 - e1 e1"])
    assert mark_completion(completion, problem, SYMBOLIC) == [
        *(MarkedPiece(piece, "right", None) for piece in forward[:5]),
        MarkedPiece("L9 - e1 e1", "wrong", forward[5]),
    ]
