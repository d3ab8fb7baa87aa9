"""Traces re-executed word by word by the tests' own oracle; every corruption is found where it was made."""

import dataclasses
import re

import pytest
from generators import FIELDS, NUMBERS, each_text, mutations, pick, problems
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import calculate

from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import Problem
from selectimprove.tasks.strategies import STRATEGIES, read_completion, write_solution
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.tasks.texts import TEXT_FORMS

each_strategy = pytest.mark.parametrize("strategy", STRATEGIES)
SYMBOLIC = TEXT_FORMS["symbolic"]
UNDOES = {"+": "-", "*": "/"}
OPERATORS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
OTHER = {"forward": "backward", "backward": "forward"}


def drop_lookups(completion: str, task: Field) -> str:
    """Return a symbolic completion without the numbers that it writes where the map is stated, which must be right."""
    if not task.stated or "\n" in completion:
        return completion

    def check(match: re.Match) -> str:
        symbol = match["before"] or match["behind"]
        assert task.elements[int(symbol[1:])] == int(match["number"] or match["result"])
        return symbol

    form = r"(?P<before>e\d+) (?P<number>\d+)(?= )|(?P<result>\d+) (?P<behind>e\d+)"
    opened, answer = completion.split(" A ")
    return f"{re.sub(form, check, opened + ' ')}A {answer}"


def count_step_words(problem) -> tuple[int, int]:
    """Return how many words the opening and a step of a symbolic completion have."""
    return (3, 6) if problem.task.stated else (2, 4)


def split_words(completion: str) -> tuple[list[str], list[list[str]], list[str]]:
    """Return [name, value], [[label, sign, operand, result], ...], ["x", value, "y", value] of a completion.

    In sentences, each step's left operand must be the value written last.
    """
    if "\n" not in completion:
        words = completion.split(" ")
        assert words[-5] == "A"
        return words[:2], [words[place : place + 4] for place in range(2, len(words) - 5, 4)], words[-4:]
    first, *middle, last = completion.split("\n")
    name, value = first.split(" = ")
    steps, current = [], value
    for line in middle:
        word, label, left, sign, operand, equals, result = line.split(" ")
        assert (word, label[-1], left, equals) == ("Step", ":", current, "=")
        steps.append([f"L{label[:-1]}", sign, operand, result])
        current = result
    assert last.startswith("Answer: ")
    return [name, value], steps, re.split(" = |, ", last.removeprefix("Answer: "))


def write(problem, strategy, text) -> str:
    return text.write_completion(STRATEGIES[strategy](problem), problem.task)


@each_text
@each_strategy
@given(problem=problems(FIELDS))
def test_traces_are_right(text, strategy, problem) -> None:
    """Every written value follows from the one before, and the steps are the problem's, in order or undone."""
    elements = {f"e{index}": element for index, element in enumerate(problem.task.elements)}
    opening, steps, answer = split_words(drop_lookups(write(problem, strategy, text), problem.task))
    expected = [
        [f"L{problem.first_label + position}", {"add": "+", "multiply": "*"}[operator], operand]
        for position, (operator, operand) in enumerate(problem.operations)
    ]
    if strategy == "backward":
        expected = [[label, UNDOES[sign], operand] for label, sign, operand in reversed(expected)]
    assert [[label, sign, elements[operand]] for label, sign, operand, _ in steps] == expected
    first = value = elements[opening[1]]
    for _, sign, operand, result in steps:
        value = calculate((OPERATORS[sign], elements[operand]), value, problem.task)
        assert elements[result] == value
    names = ("x", "y") if strategy == "forward" else ("y", "x")
    assert opening[0] == names[0]
    known = {names[0]: first, names[1]: value}
    assert known["x"] == problem.start
    assert (answer[::2], [elements[symbol] for symbol in answer[1::2]]) == (["x", "y"], [known["x"], known["y"]])


@each_text
@each_strategy
@given(problem=problems())
def test_true_traces_are_read_as_right(text, strategy, problem) -> None:
    reading = read_completion(write(problem, strategy, text), problem, text)
    assert (reading.strategy, reading.answer, reading.correct) == (strategy, problem.answer, True)
    assert (reading.first_wrong_step, reading.failure) == (None, None)


def other(data, value, task):
    """Draw a value that is not `value`."""
    return pick([candidate for candidate in task.values if candidate != value], data.draw(NUMBERS))


def replace_step(trace, place: int, **changes):
    """Return the trace with changes to its step at `place`, counted from 1."""
    steps = list(trace.steps)
    steps[place - 1] = dataclasses.replace(steps[place - 1], **changes)
    return dataclasses.replace(trace, steps=tuple(steps))


def follow_on(trace, place: int, task):
    """Return the trace with every result after step `place` (0: the opening) worked out from what stands there."""
    steps = list(trace.steps)
    value = trace.opening[1] if place == 0 else steps[place - 1].result
    for index in range(place, len(steps)):
        result = calculate(steps[index].operation, value, task)
        steps[index] = dataclasses.replace(steps[index], left=value, result=result)
        value = result
    return dataclasses.replace(trace, steps=tuple(steps)), value


def open_otherwise(problem, strategy):
    """Return the right trace of a strategy behind the opening of the other."""
    opening = STRATEGIES[OTHER[strategy]](problem).opening
    return dataclasses.replace(STRATEGIES[strategy](problem), opening=opening)


@each_text
@each_strategy
@pytest.mark.parametrize("steps", range(1, 16))
def test_strategy_is_opening_and_order(text, strategy, steps) -> None:
    """Every solution reads as its strategy; behind the other opening its steps make it mixed, though it ends right."""
    operations = (("add", 2), ("multiply", 3), ("multiply", 7), ("add", 1)) * 4
    field = Field(11, (3, 1, 4, 0, 5, 9, 2, 6, 8, 7, 10))
    problem = Problem("evaluation", field, 4, operations[:steps], first_label=7)
    reading = read_completion(write_solution(problem, [strategy], text), problem, text)
    assert (reading.strategy, reading.failure) == (strategy, None)
    reading = read_completion(text.write_completion(open_otherwise(problem, strategy), field), problem, text)
    assert (reading.strategy, reading.correct) == ("mixed", True)
    assert (reading.first_wrong_step, reading.failure) == (1, "lost_place")


HAND_WRITTEN = {  # of three steps from L7 on, e3 + e5 = e8, e8 + e1 = e9, e9 * e2 = e7; and the strategy
    "forward": ("x e3 L7 + e5 e8 L8 + e1 e9 L9 * e2 e7 A x e3 y e7", "forward"),
    "backward": ("y e7 L9 / e2 e9 L8 - e1 e8 L7 - e5 e3 A x e3 y e7", "backward"),
    "opens forward, goes on backward, ends right": ("x e3 L9 / e2 e9 L8 - e1 e8 L7 - e5 e3 A x e3 y e7", "mixed"),
    "opens backward, goes on forward": ("y e7 L7 + e5 e8 L8 + e1 e9 L9 * e2 e7 A x e3 y e7", "mixed"),
    "mixed, cut": ("x e3 L9 / e2 e9 L8", "mixed"),
    "mixed, with an operator that is a slip": ("x e3 L9 * e2 e9 L8 - e1 e8 L7 - e5 e3 A x e3 y e7", "mixed"),
    "mixed, with a label that is a slip": ("x e3 L7 / e2 e9 L8 - e1 e8 L7 - e5 e3 A x e3 y e7", "mixed"),
    "first operator a slip": ("x e3 L7 - e5 e8 L8 + e1 e9 L9 * e2 e7 A x e3 y e7", "forward"),
    "first label a slip": ("x e3 L9 + e5 e8 L8 + e1 e9 L9 * e2 e7 A x e3 y e7", "forward"),
    "turns back after two steps": ("x e3 L7 + e5 e8 L8 + e1 e9 L8 - e1 e8 A x e3 y e8", "forward"),
    "labels of no step of the problem": ("x e3 L20 + e5 e8 L21 + e1 e9 A x e3 y e9", "forward"),
    "opening alone": ("x e3 A x e3 y e7", "forward"),
    "opening alone, backward": ("y e7", "backward"),
    "opening and no step that can be read": ("y e7 L7 + e99 e8 L8 + e1 e9", "backward"),
    "one step, forward": ("x e3 L7 + e5 e8", "forward"),
    "one step, backward": ("y e7 L9 / e2 e9", "backward"),
    "one step, mixed": ("x e3 L9 / e2 e9", "mixed"),
    "one step of the other, mixed": ("y e7 L7 + e5 e8", "mixed"),
    "one step, its operator a slip": ("y e7 L9 * e2 e9", "backward"),
    "one step, its label a slip": ("x e3 L9 + e5 e8", "forward"),
    "one step, its label in the middle": ("x e3 L8 - e5 e8", "mixed"),
}


@each_text
@pytest.mark.parametrize(("completion", "strategy"), HAND_WRITTEN.values(), ids=HAND_WRITTEN)
def test_hand_written_traces(text, completion, strategy) -> None:
    """In symbolic words as they stand, and the same in sentences."""
    field = Field(11, tuple(range(11)))
    problem = Problem("evaluation", field, 3, (("add", 5), ("add", 1), ("multiply", 2)), first_label=7)
    if not isinstance(text, SymbolicText):
        trace = SYMBOLIC.read_completion(completion, field)
        answered = dataclasses.replace(trace, answer=trace.answer or (0, 0))
        *lines, answer = text.split_pieces(text.write_completion(answered, field), field)
        completion = text.join_parts([*lines, answer] if trace.answer else lines)
    assert read_completion(completion, problem, text).strategy == strategy


@each_text
@pytest.mark.parametrize("slip", ["label", "operator"])
@each_strategy
@given(problem=problems(FIELDS), data=st.data())
def test_one_slip_does_not_change_the_order(text, slip, strategy, problem, data) -> None:
    """Whatever its opening, from three steps on."""
    assume(problem.steps > 2)
    corrupt = {"label": wrong_label, "operator": wrong_name}[slip]
    for trace, expected in ((STRATEGIES[strategy](problem), strategy), (open_otherwise(problem, strategy), "mixed")):
        corrupted, _, _ = corrupt(data, trace, problem.task)
        reading = read_completion(text.write_completion(corrupted, problem.task), problem, text)
        assert reading.strategy == expected


def draw_place(data, trace) -> int:
    return data.draw(st.integers(1, len(trace.steps)))


# Each corruption returns the trace corrupted, and the first wrong step and failure that must be found.


def wrong_opening(data, trace, task):
    name, value = trace.opening
    return dataclasses.replace(trace, opening=(name, other(data, value, task))), 0, "wrong_opening"


def wrong_opening_followed_on(data, trace, task):
    corrupted, _, _ = wrong_opening(data, trace, task)
    return follow_on(corrupted, 0, task)[0], 0, "wrong_opening"


def wrong_result(data, trace, task):
    place = draw_place(data, trace)
    wrong = other(data, trace.steps[place - 1].result, task)
    return replace_step(trace, place, result=wrong), place, "wrong_fact"


def wrong_result_followed_on(data, trace, task):
    """All later steps are consistent with the wrong result, and so is the answer."""
    corrupted, place, failure = wrong_result(data, trace, task)
    corrupted, value = follow_on(corrupted, place, task)
    name, opening = trace.opening
    return dataclasses.replace(corrupted, answer=(opening, value) if name == "x" else (value, opening)), place, failure


def wrong_label(data, trace, task):
    place = draw_place(data, trace)
    label = data.draw(st.integers(1, 99).filter(lambda label: label != trace.steps[place - 1].label))
    return replace_step(trace, place, label=label), place, "lost_place"


def wrong_name(data, trace, task):
    """Another operation of the field on the same operand."""
    assume(isinstance(task, Field))
    place = draw_place(data, trace)
    name, *operands = trace.steps[place - 1].operation
    other = pick([other for other in OPERATORS.values() if other != name], data.draw(NUMBERS))
    return replace_step(trace, place, operation=(other, *operands)), place, "lost_place"


def wrong_operation(data, trace, task):
    place = draw_place(data, trace)
    others = [operation for operation in task.written_operations if operation != trace.steps[place - 1].operation]
    return replace_step(trace, place, operation=pick(others, data.draw(NUMBERS))), place, "lost_place"


def swapped_steps(data, trace, task):
    assume(len(trace.steps) > 1)
    first, second = sorted(data.draw(st.sets(st.integers(0, len(trace.steps) - 1), min_size=2, max_size=2)))
    steps = list(trace.steps)
    steps[first], steps[second] = steps[second], steps[first]
    return dataclasses.replace(trace, steps=tuple(steps)), first + 1, "lost_place"


def left_out_step(data, trace, task):
    assume(len(trace.steps) > 1)
    place = data.draw(st.integers(1, len(trace.steps) - 1))
    steps = trace.steps[: place - 1] + trace.steps[place:]
    return dataclasses.replace(trace, steps=steps), place, "lost_place"


def stopped_early(data, trace, task):
    kept = data.draw(st.integers(0, len(trace.steps) - 1))
    return dataclasses.replace(trace, steps=trace.steps[:kept]), kept + 1, "stopped_early"


def wrong_x_in_answer(data, trace, task):
    start, end = trace.answer
    return dataclasses.replace(trace, answer=(other(data, start, task), end)), len(trace.steps) + 1, "wrong_answer"


def wrong_y_in_answer(data, trace, task):
    start, end = trace.answer
    return dataclasses.replace(trace, answer=(start, other(data, end, task))), len(trace.steps) + 1, "wrong_answer"


def swapped_values_in_answer(data, trace, task):
    assume(trace.answer[0] != trace.answer[1])
    return dataclasses.replace(trace, answer=trace.answer[::-1]), len(trace.steps) + 1, "wrong_answer"


def extra_step(data, trace, task):
    last = trace.steps[-1]
    extra = dataclasses.replace(
        last, label=last.label % 24 + 1, left=last.result, result=pick(task.values, data.draw(NUMBERS))
    )
    return dataclasses.replace(trace, steps=(*trace.steps, extra)), len(trace.steps) + 1, "lost_place"


CORRUPTIONS = [
    wrong_opening,
    wrong_opening_followed_on,
    wrong_result,
    wrong_result_followed_on,
    wrong_label,
    wrong_name,
    wrong_operation,
    swapped_steps,
    left_out_step,
    stopped_early,
    wrong_x_in_answer,
    wrong_y_in_answer,
    swapped_values_in_answer,
    extra_step,
]


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
@given(
    problem=problems(),
    form=st.sampled_from(list(TEXT_FORMS)),
    strategy=st.sampled_from(list(STRATEGIES)),
    data=st.data(),
)
def test_corruption_is_found_where_it_was_made(corrupt, problem, form, strategy, data) -> None:
    text = TEXT_FORMS[form]
    trace, place, failure = corrupt(data, STRATEGIES[strategy](problem), problem.task)
    reading = read_completion(text.write_completion(trace, problem.task), problem, text)
    if isinstance(problem.task, Field):
        undoes = [step.operation[0] in ("subtract", "divide") for step in trace.steps]
        turned = problem.steps == 1 and undoes == [
            strategy == "forward"
        ]  # all that a chain of one step has of an order
        assert reading.strategy == ("mixed" if turned else strategy)
    assert (reading.first_wrong_step, reading.failure) == (place, failure)
    asked, right = (1, problem.end) if problem.kind == "evaluation" else (0, problem.start)
    assert (reading.answer, reading.correct) == (trace.answer[asked], trace.answer[asked] == right)


@each_text
@each_strategy
@given(problem=problems(), data=st.data())
def test_wrong_given_end_in_answer_is_correct_but_not_right_throughout(text, strategy, problem, data) -> None:
    trace = STRATEGIES[strategy](problem)
    corrupt = wrong_x_in_answer if problem.kind == "evaluation" else wrong_y_in_answer
    corrupted, _, _ = corrupt(data, trace, problem.task)
    reading = read_completion(text.write_completion(corrupted, problem.task), problem, text)
    assert (reading.strategy, reading.answer, reading.correct) == (strategy, problem.answer, True)
    assert (reading.first_wrong_step, reading.failure) == (problem.steps + 1, "wrong_answer")


@each_strategy
@given(problem=problems(), data=st.data())
def test_wrong_left_operand_is_a_lost_place(strategy, problem, data) -> None:
    """Only sentences write the value that a step starts from."""
    text, trace = TEXT_FORMS["sentences"], STRATEGIES[strategy](problem)
    place = draw_place(data, trace)
    corrupted = replace_step(trace, place, left=other(data, trace.steps[place - 1].left, problem.task))
    reading = read_completion(text.write_completion(corrupted, problem.task), problem, text)
    assert (reading.first_wrong_step, reading.failure) == (place, "lost_place")


@each_text
@each_strategy
@given(problem=problems(FIELDS), data=st.data())
def test_truncation_is_no_answer(text, strategy, problem, data) -> None:
    """Cut between any two words, the first wrong step is the one that is not whole."""
    completion = write(problem, strategy, text)
    words = completion[: data.draw(st.sampled_from([match.start() for match in re.finditer(r"\s", completion)]))]
    opening, step = count_step_words(problem) if isinstance(text, SymbolicText) else (3, 7)
    written = len(words.split())
    whole_steps = min((written - opening) // step, problem.steps)
    reading = read_completion(words, problem, text)
    assert (reading.answer, reading.correct, reading.failure) == (None, False, "no_answer")
    assert reading.first_wrong_step == (0 if written < opening else whole_steps + 1)
    assert reading.strategy == ("none" if written < opening else strategy)


@each_text
@each_strategy
@pytest.mark.parametrize("rubbish", ["hm", "e1", "L1 + e1", "Step 1: e1 + e1 =", "<pad>", ""])
@given(problem=problems(FIELDS), data=st.data())
def test_unreadable_step_is_a_lost_place(text, strategy, rubbish, problem, data) -> None:
    """Rubbish anywhere between the opening and the answer line loses the place there, not the answer."""
    gap = " " if isinstance(text, SymbolicText) else "\n"
    completion = write(problem, strategy, text)
    opening, step, answer = (*count_step_words(problem), 5) if isinstance(text, SymbolicText) else (1, 1, 1)
    parts = completion.split(gap)
    whole_steps = data.draw(st.integers(0, problem.steps))
    place = opening + step * whole_steps
    assert len(parts) == opening + step * problem.steps + answer
    reading = read_completion(gap.join([*parts[:place], rubbish, *parts[place:]]), problem, text)
    assert (reading.first_wrong_step, reading.failure) == (whole_steps + 1, "lost_place")
    assert reading.correct


@each_text
@each_strategy
@given(problem=problems(), data=st.data())
def test_only_true_traces_are_right_throughout(text, strategy, problem, data) -> None:
    """No edit of a true trace is found right, unless it gives a true trace again."""
    completion = data.draw(mutations(write(problem, strategy, text)))
    reading = read_completion(completion, problem, text)
    truths = {write(problem, name, text) for name in STRATEGIES}
    assert (reading.failure is None) == (completion in truths)
    assert (reading.first_wrong_step is None) == (completion in truths)


@each_text
@given(problem=problems(), completion=st.text())
def test_arbitrary_text_shows_no_strategy(text, problem, completion) -> None:
    reading = read_completion(completion, problem, text)
    assert (reading.strategy, reading.answer, reading.correct) == ("none", None, False)
    assert (reading.first_wrong_step, reading.failure) == (0, "no_answer")


@each_text
@given(problem=problems())
def test_answer_line_alone_is_right_without_a_strategy(text, problem) -> None:
    alone = re.search(r"(A|Answer:) x .*", write(problem, "forward", text))[0]
    reading = read_completion(alone, problem, text)
    assert (reading.strategy, reading.correct) == ("none", True)
    assert (reading.first_wrong_step, reading.failure) == (0, "wrong_opening")
