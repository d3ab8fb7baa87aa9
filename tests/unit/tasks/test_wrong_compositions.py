"""Wrong completions of compositions: what they are paid, and what reading them says."""

import dataclasses
import itertools
import random
import re

import pytest
from composition_samples import (
    GAPS,
    GF11_FIELD,
    PIECES,
    PROBLEM,
    count_words,
    few_examples,
    find_given,
    join,
    pays,
    write,
    write_suited,
    write_traces,
)
from generators import FIELDS, NUMBERS, answered, compositions, each_text, mutations, pick
from hypothesis import given
from hypothesis import strategies as st
from oracles import calculate

from selectimprove.tasks.rewards import verify_completion
from selectimprove.tasks.strategies import FAILURES, STRATEGIES, SUITED, read_completion
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.tasks.texts import TEXT_FORMS


def draw_part(data, problem) -> int:
    return data.draw(st.integers(0, len(problem.parts) - 1))


def draw_other(data, value, task):
    return pick([other for other in task.values if other != value], data.draw(NUMBERS))


def change_answer(data, trace, end: int, task):
    """Return the trace with another value at one end, 0 for x and 1 for y, of its answer line."""
    answer = list(trace.answer)
    answer[end] = draw_other(data, answer[end], task)
    return dataclasses.replace(trace, answer=tuple(answer))


@each_text
@few_examples
@given(problem=compositions(), data=st.data())
def test_wrong_result_followed_on_is_wrong_to_the_end(text, problem, data) -> None:
    """All that is written later follows from the wrong result. No step maps two values to one, so it stays wrong."""
    task = problem.task
    wrong_part = draw_part(data, problem)
    wrong_step = data.draw(st.integers(1, problem.parts[wrong_part].steps))
    traces = []
    value = find_given(problem.parts[0])
    for number, part in enumerate(problem.parts):
        opening = value
        steps = []
        for place, step in enumerate(STRATEGIES[SUITED[part.kind]](part).steps, 1):
            result = calculate(step.operation, value, task)
            if (number, place) == (wrong_part, wrong_step):
                result = draw_other(data, result, task)
            steps.append(dataclasses.replace(step, left=value, result=result))
            value = result
        name, answer = ("x", (opening, value)) if part.kind == "evaluation" else ("y", (value, opening))
        trace = STRATEGIES[SUITED[part.kind]](part)
        traces.append(dataclasses.replace(trace, opening=(name, opening), steps=tuple(steps), answer=answer))
    completion = join(traces, problem, text)
    reading = read_completion(completion, problem, text)
    assert (reading.first_wrong_step, reading.failure) == (wrong_step, "wrong_fact")
    assert (reading.answer, reading.correct, reading.correct_parts) == (value, False, wrong_part)
    assert verify_completion(completion, problem, text) == 0


@each_text
@few_examples
@given(problem_and_strategies=answered(), data=st.data())
def test_wrong_answer_line_is_paid_unless_it_is_the_last(text, problem_and_strategies, data) -> None:
    """Where the parts after it are right nonetheless, so is the end; but no part from the wrong one on is counted."""
    problem, strategies = problem_and_strategies
    wrong_part = draw_part(data, problem)
    traces = write_traces(problem, strategies)
    part = problem.parts[wrong_part]
    traces[wrong_part] = change_answer(data, traces[wrong_part], part.kind == "evaluation", problem.task)
    completion = join(traces, problem, text)
    reading = read_completion(completion, problem, text)
    stays = wrong_part < len(problem.parts) - 1
    assert (reading.correct, reading.correct_parts) == (stays, wrong_part)
    assert (reading.first_wrong_step, reading.failure) == (part.steps + 1, "wrong_answer")
    assert verify_completion(completion, problem, text) == stays


@each_text
@few_examples
@given(problem_and_strategies=answered(), data=st.data())
def test_wrong_given_end_in_an_answer_line_is_paid_but_not_right_throughout(text, problem_and_strategies, data) -> None:
    problem, strategies = problem_and_strategies
    wrong_part = draw_part(data, problem)
    traces = write_traces(problem, strategies)
    part = problem.parts[wrong_part]
    traces[wrong_part] = change_answer(data, traces[wrong_part], part.kind == "inversion", problem.task)
    completion = join(traces, problem, text)
    reading = read_completion(completion, problem, text)
    assert (reading.correct, reading.correct_parts) == (True, len(problem.parts))
    assert (reading.first_wrong_step, reading.failure) == (part.steps + 1, "wrong_answer")
    assert verify_completion(completion, problem, text) == 1


def count_right(traces, problem) -> int:
    """Return how many traces in a row, from the first on, say the answer of the part at their place."""
    right = [
        trace.answer[part.kind == "evaluation"] == part.answer
        for trace, part in zip(traces, problem.parts, strict=False)
    ]
    return [*right, False].index(False)


@each_text
@few_examples
@given(problem_and_strategies=answered(), data=st.data())
def test_missing_part_is_not_paid(text, problem_and_strategies, data) -> None:
    """Whichever it is, and even where the completion still ends with the right answer."""
    problem, strategies = problem_and_strategies
    missing = draw_part(data, problem)
    traces = write_traces(problem, strategies)
    del traces[missing]
    completion = join(traces, problem, text)
    reading = read_completion(completion, problem, text)
    assert (reading.answer, reading.correct) == (None, False)
    assert reading.correct_parts == count_right(traces, problem) >= missing
    if missing == len(traces):
        assert (reading.first_wrong_step, reading.failure) == (0, "stopped_early")
    assert reading.failure in FAILURES
    assert verify_completion(completion, problem, text) == 0


@each_text
@few_examples
@given(problem_and_strategies=answered(), data=st.data())
def test_part_too_many_is_not_paid(text, problem_and_strategies, data) -> None:
    """Any part written twice, at the end even with the right answer."""
    problem, strategies = problem_and_strategies
    twice = draw_part(data, problem)
    traces = write_traces(problem, strategies)
    traces.insert(twice, traces[twice])
    completion = join(traces, problem, text)
    reading = read_completion(completion, problem, text)
    assert (reading.answer, reading.correct) == (None, False)
    assert reading.correct_parts == count_right(traces, problem) > twice
    if twice == len(problem.parts) - 1:
        assert (reading.first_wrong_step, reading.failure) == (problem.parts[-1].steps + 1, "no_answer")
    assert reading.failure in FAILURES
    assert verify_completion(completion, problem, text) == 0


@each_text
@few_examples
@given(problem_and_strategies=answered(), data=st.data())
def test_swapped_parts_count_only_where_their_values_agree(text, problem_and_strategies, data) -> None:
    """Labels tell the parts apart, so the trace is wrong at the first of the two places in any case."""
    problem, strategies = problem_and_strategies
    places = st.sets(st.integers(0, len(problem.parts) - 1), min_size=2, max_size=2)
    first, second = sorted(data.draw(places))
    traces = write_traces(problem, strategies)
    traces[first], traces[second] = traces[second], traces[first]
    completion = join(traces, problem, text)
    reading = read_completion(completion, problem, text)
    last = problem.parts[-1]
    stays = traces[-1].answer[last.kind == "evaluation"] == last.answer
    assert reading.correct == stays
    assert reading.correct_parts == count_right(traces, problem) >= first
    assert reading.failure in ("wrong_opening", "lost_place")
    assert verify_completion(completion, problem, text) == stays


@pytest.mark.parametrize("form", TEXT_FORMS)
@few_examples
@given(problem=compositions(FIELDS))
def test_answer_lines_alone_are_paid_without_a_strategy(form, problem) -> None:
    text = TEXT_FORMS[form]
    lines = re.findall(r"(?:A|Answer:) x (?:= )?e\d+,? y (?:= )?e\d+", write_suited(problem, text))
    assert len(lines) == len(problem.parts)
    completion = GAPS[form].join(lines)
    reading = read_completion(completion, problem, text)
    assert (reading.strategy, reading.correct, reading.correct_parts) == ("none", True, len(problem.parts))
    assert (reading.first_wrong_step, reading.failure) == (0, "wrong_opening")
    assert verify_completion(completion, problem, text) == 1


TRAILING = [" ", "\n", " hm", "\nhm", " A", "\nAnswer:", " x", " <pad>", "."]


@each_text
@few_examples
@given(problem=compositions(), trailing=st.sampled_from(TRAILING))
def test_trailing_text_is_not_paid(text, problem, trailing) -> None:
    completion = write_suited(problem, text) + trailing
    reading = read_completion(completion, problem, text)
    assert (reading.answer, reading.correct) == (None, False)
    assert reading.correct_parts >= len(problem.parts) - 1
    assert reading.failure in FAILURES
    assert verify_completion(completion, problem, text) == 0


@pytest.mark.parametrize("form", TEXT_FORMS)
@few_examples
@given(problem_and_strategies=answered(FIELDS), data=st.data())
def test_truncation_is_not_paid(form, problem_and_strategies, data) -> None:
    """Cut between any two words: the whole parts before the cut count, and the failure tells where it was cut."""
    problem, strategies = problem_and_strategies
    text = TEXT_FORMS[form]
    completion = write(problem, strategies, text)
    cut = completion[: data.draw(st.sampled_from([match.start() for match in re.finditer(r"\s", completion)]))]
    ends = list(itertools.accumulate(count_words(part, text) for part in problem.parts))
    whole = sum(end <= len(cut.split()) for end in ends)
    reading = read_completion(cut, problem, text)
    assert (reading.answer, reading.correct, reading.correct_parts) == (None, False, whole)
    between = len(cut.split()) in ends
    assert reading.failure == ("stopped_early" if between else "no_answer")
    assert verify_completion(cut, problem, text) == 0


@pytest.mark.parametrize("form", TEXT_FORMS)
@given(problem_and_strategies=answered(), data=st.data())
def test_mutated_completions_are_paid_for_one_right_line_a_part(form, problem_and_strategies, data) -> None:
    """The reward is that of the tests' own reading, what is said to be correct is what is paid."""
    problem, strategies = problem_and_strategies
    text = TEXT_FORMS[form]
    completion = data.draw(mutations(write(problem, strategies, text)))
    reward = verify_completion(completion, problem, text)
    assert reward == pays(completion, problem, form)
    assert reading_is_sound(read_completion(completion, problem, text), problem, reward)


@each_text
@given(problem_and_strategies=answered(), data=st.data())
def test_only_true_completions_are_right_throughout(text, problem_and_strategies, data) -> None:
    problem, strategies = problem_and_strategies
    completion = data.draw(mutations(write(problem, strategies, text)))
    truths = {write(problem, names, text) for names in itertools.product(STRATEGIES, repeat=len(problem.parts))}
    reading = read_completion(completion, problem, text)
    assert (reading.failure is None) == (reading.first_wrong_step is None) == (completion in truths)


def reading_is_sound(reading, problem, reward: float) -> bool:
    """Return whether a reading agrees with the reward and with itself."""
    return (
        reading.correct == (reward == 1)
        and reading.correct == (reading.answer == problem.answer)
        and reading.strategy in (*STRATEGIES, "none", "mixed")
        and (reading.failure is None) == (reading.first_wrong_step is None)
        and reading.failure in (None, *FAILURES)
        and 0 <= reading.correct_parts <= len(problem.parts)
        and (reading.failure is not None or reading.correct)
    )


# Pieces of a completion of PROBLEM, its reward and its correct parts. A pair is an answer line with these values of x
# and y, after the name of its form if it is not whole; other words stand for themselves.
RIGHT_FIRST, RIGHT_SECOND = ("e2", "e0"), ("e5", "e0")
ADVERSARIAL = {
    "true": (["first", "second"], 1, 2),
    "rubbish around right answer lines": (["hm", RIGHT_FIRST, "hm", RIGHT_SECOND], 1, 2),
    "first part on the second's lines": ([RIGHT_FIRST, "first", RIGHT_SECOND], 0, 1),
    "wrong first answer": ([("e2", "e3"), "second"], 1, 0),
    "first answer at the given end": ([("e0", "e2"), "second"], 1, 0),
    "wrong value at the given end of the second": (["first", ("e5", "e3")], 1, 2),
    "nothing": ([""], 0, 0),
    "first part alone": (["first"], 0, 1),
    "second part alone, whose y is the first answer": (["second"], 0, 1),
    "swapped": (["second", "first"], 0, 1),
    "first part twice": (["first", "first"], 0, 1),
    "second part twice": (["first", "second", "second"], 0, 2),
    "second answer line twice": (["first", "second", RIGHT_SECOND], 0, 2),
    "first answer line twice": (["first", RIGHT_FIRST, "second"], 0, 1),
    "wrong answer line first": (["first", ("e1", "e0"), "second"], 0, 1),
    "right answer line and then a wrong one": (["first", "second", ("e1", "e0")], 0, 2),
    "every answer": ([("e2", "e0"), *((f"e{index}", "e0") for index in range(11))], 0, 1),
    "answers before the traces": ([RIGHT_FIRST, RIGHT_SECOND, "first", "second"], 0, 2),
    "ends with rubbish": (["first", "second", "hm"], 0, 2),
    "ends with a gap": (["first", "second", ""], 0, 2),
    "starts another answer line": (["first", "second", "opening of a line"], 0, 2),
    "answer line opened twice": (["first", "opening of a line", RIGHT_SECOND], 0, 1),
    "ends turned in the last answer line": (["first", ("turned line", *RIGHT_SECOND)], 0, 1),
    "last answer line cut": (["first", ("cut line", "e5")], 0, 1),
    "symbol beyond the field in the last answer line": (["first", ("e5", "e11")], 0, 1),
    "symbol with a leading zero": (["first", ("e05", "e0")], 0, 1),
    "longer symbol": (["first", ("e55", "e0")], 0, 1),
    "wrong second answer": (["first", ("e6", "e0")], 0, 1),
    # The first answer line is none to the letter, so there is not one a part.
    "first answer line opened and left": (["opening of a line", "x", "x", "x", "x", "second"], 0, 0),
    "ends turned in the first answer line": ([("turned line", *RIGHT_FIRST), "second"], 0, 0),
    "symbol beyond the field in the first answer line": ([("e2", "e11"), "second"], 0, 0),
}


@pytest.mark.parametrize("form", TEXT_FORMS)
@pytest.mark.parametrize(("pieces", "reward", "correct_parts"), ADVERSARIAL.values(), ids=ADVERSARIAL)
def test_adversarial_completions(form, pieces, reward, correct_parts) -> None:
    words = []
    for piece in pieces:
        if isinstance(piece, tuple):
            name, *values = piece if len(piece) == 3 or "line" in piece[0] else ("line", *piece)
            words.append(PIECES[form][name].format(*values))
        else:
            words.append(PIECES[form].get(piece, piece))
    completion, text = GAPS[form].join(words), TEXT_FORMS[form]
    assert pays(completion, PROBLEM, form) == reward
    assert read_completion(completion, PROBLEM, text).correct_parts == correct_parts
    assert verify_completion(completion, PROBLEM, text) == reward
    assert read_completion(completion, PROBLEM, text).correct == reward


STATED = dataclasses.replace(GF11_FIELD, stated=True)


def list_scraps(form: str) -> list[str]:
    """Return what random texts are put together from: words of the vocabulary, or lines and parts of lines."""
    if form.startswith("symbolic"):
        return [*SymbolicText().vocabulary(GF11_FIELD), *(["A", "x", "y"] * 8), "", "<pad>"]
    text = TEXT_FORMS[form]
    lines = f"{text.write_prompt(PROBLEM)}\n{write_suited(PROBLEM, text)}".split("\n")
    halves = [line[: len(line) // 2] for line in lines]
    return [*lines, *halves, "", "Answer:", "Step 7:", "x =", "hm"]


@pytest.mark.parametrize("form", TEXT_FORMS)
def test_reading_any_text_never_raises(form) -> None:
    """Thousands of random completions, also behind a right part and before one; some are read to have parts."""
    text, stream, scraps = TEXT_FORMS[form], random.Random(0), list_scraps(form)
    numbers = set()
    for _ in range(3000):
        words = stream.choices(scraps, k=stream.randint(0, 30))
        words = stream.choice([[], [PIECES[form]["first"]]]) + words + stream.choice([[], [PIECES[form]["second"]]])
        completion = GAPS[form].join(words)
        assert text.join_parts(text.split_parts(completion, GF11_FIELD)) == completion
        numbers.add(len(text.split_parts(completion, GF11_FIELD)))
        reward = verify_completion(completion, PROBLEM, text)
        assert reading_is_sound(read_completion(completion, PROBLEM, text), PROBLEM, reward)
    assert {1, 2, 3, 4} <= numbers


@pytest.mark.parametrize("form", TEXT_FORMS)
def test_random_words_are_no_prompt(form) -> None:
    """They are refused with ValueError and nothing else."""
    text, stream, scraps = TEXT_FORMS[form], random.Random(1), list_scraps(form)
    whole = text.write_prompt(PROBLEM).removesuffix(" :")
    for _ in range(3000):
        words = [stream.choice(["", whole]), *stream.choices(scraps, k=stream.randint(1, 30))]
        with pytest.raises(ValueError):
            text.read_prompt(GAPS[form].join(words), stream.choice([GF11_FIELD, STATED]))
