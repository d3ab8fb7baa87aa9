"""Compositions in words: prompts and completions are written, read back, counted and cut where they were joined."""

import dataclasses
import re

import pytest
from composition_samples import (
    GAPS,
    GF11_FIELD,
    INTRO,
    PIECES,
    PROBLEM,
    count_words,
    few_examples,
    find_content,
    join,
    split_prompt,
    write,
    write_suited,
    write_traces,
)
from generators import FIELDS, answered, compositions, each_text, mutations
from hypothesis import given
from hypothesis import strategies as st

from selectimprove.tasks.problems import compose_problems
from selectimprove.tasks.rewards import verify_completion
from selectimprove.tasks.strategies import read_completion
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.tasks.texts import TEXT_FORMS


@few_examples
@given(compositions())
def test_composing_parts_works_out_their_values(problem) -> None:
    given_first, operations = find_content(problem)
    composed = compose_problems(
        [part.kind for part in problem.parts],
        [part.steps for part in problem.parts],
        problem.task,
        given_first,
        operations,
        problem.parts[0].first_label,
    )
    assert composed == problem
    assert (composed.answer, composed.steps) == (problem.parts[-1].answer, len(operations))


def test_written_forms_are_pinned() -> None:
    """The texts of one composition to the letter: a change of form is a change of every model."""
    symbolic, sentences = TEXT_FORMS["symbolic"], TEXT_FORMS["sentences"]
    assert symbolic.write_prompt(PROBLEM) == "x e2 L7 + e5 L8 * e9 y ? ? y x ? L9 + e4 y A ? x"
    first = TEXT_FORMS["symbolic_question_first"]
    assert first.write_prompt(PROBLEM) == "y x e2 L7 + e5 L8 * e9 y ? ? x x ? L9 + e4 y A ?"
    assert sentences.write_prompt(PROBLEM) == (
        f"{INTRO}Start: x = e2.\nStep 7: add e5.\nStep 8: multiply by e9.\nEnd: y is not known.\nWhat is y?\n"
        "Start: x is not known.\nStep 9: add e4.\nEnd: y = the answer before.\nWhat is x?"
    )
    for form, text in TEXT_FORMS.items():
        assert write_suited(PROBLEM, text) == GAPS[form].join([PIECES[form]["first"], PIECES[form]["second"]])


@each_text
@few_examples
@given(problem=compositions())
def test_prompt_round_trip(text, problem) -> None:
    assert text.read_prompt(text.write_prompt(problem), problem.task) == problem


@pytest.mark.parametrize("form", TEXT_FORMS)
@few_examples
@given(problem=compositions(FIELDS))
def test_prompt_hides_every_answer(form, problem) -> None:
    """Its symbols are the operands and what the first part is given, no more."""
    prompt = TEXT_FORMS[form].write_prompt(problem)
    words = [word for _, given, steps in split_prompt(prompt, form) for word in (given, *(step[2] for step in steps))]
    given_first, operations = find_content(problem)
    values = [given_first, *(operand for _, operand in operations)]
    shown = [word for word in words if re.fullmatch(r"e\d+", word)]
    assert sorted(shown) == sorted(problem.task.write_value(value) for value in values)
    assert len(words) - len(shown) == len(problem.parts) - 1


@each_text
@given(problem=compositions(), data=st.data())
def test_mutated_prompts_are_read_exactly_or_refused(text, problem, data) -> None:
    prompt = data.draw(mutations(text.write_prompt(problem)))
    try:
        read = text.read_prompt(prompt, problem.task)
    except ValueError:
        return
    assert text.write_prompt(read) == prompt


MALFORMED = {
    "symbolic_question_first": {
        "second question last": "y x e2 L7 + e5 y ? ? x ? L8 + e4 y A ? x",
        "one question for both": "y x e2 L7 + e5 y ? x ? L8 + e4 y A ?",
        "half a part at the end": "y x e2 L7 + e5 y ? ? x x ? L8 + e4",
    },
    "symbolic": {
        "first part given the answer before": "x A L7 + e5 y ? ? y x ? L8 + e4 y A ? x",
        "second part given a value": "x e2 L7 + e5 y ? ? y x ? L8 + e4 y e0 ? x",
        "second part given both ends": "x e2 L7 + e5 y ? ? y x A L8 + e4 y e0 ? x",
        "second part given the answer before at both ends": "x e2 L7 + e5 y ? ? y x A L8 + e4 y A ? x",
        "second part given nothing": "x e2 L7 + e5 y ? ? y x ? L8 + e4 y ? ? x",
        "second part that asks for what it gives": "x e2 L7 + e5 y ? ? y x ? L8 + e4 y A ? y",
        "single part given the answer before": "x A L7 + e5 y ? ? y",
        "labels that start again": "x e2 L7 + e5 y ? ? y x ? L7 + e4 y A ? x",
        "labels with a gap": "x e2 L7 + e5 y ? ? y x ? L9 + e4 y A ? x",
        "colon between the parts": "x e2 L7 + e5 y ? ? y : x ? L8 + e4 y A ? x",
        "second part without steps": "x e2 L7 + e5 y ? ? y x ? y A ? x",
        "half a part at the end": "x e2 L7 + e5 y ? ? y x ? L8 + e4 :",
        "multiplies by zero": "x e2 L7 + e5 y ? ? y x ? L8 * e3 y A ? x",
    },
    "sentences": {
        "first part given the answer before": "Start: x = the answer before.\nStep 1: add e5.\nEnd: y is not known.\n"
        "What is y?\nStart: x = the answer before.\nStep 2: add e4.\nEnd: y is not known.\nWhat is y?",
        "second part given a value": "Start: x = e2.\nStep 1: add e5.\nEnd: y is not known.\nWhat is y?\n"
        "Start: x = e0.\nStep 2: add e4.\nEnd: y is not known.\nWhat is y?",
        "second part that asks for what it gives": "Start: x = e2.\nStep 1: add e5.\nEnd: y is not known.\nWhat is y?\n"
        "Start: x = the answer before.\nStep 2: add e4.\nEnd: y is not known.\nWhat is x?",
        "labels that start again": "Start: x = e2.\nStep 1: add e5.\nEnd: y is not known.\nWhat is y?\n"
        "Start: x = the answer before.\nStep 1: add e4.\nEnd: y is not known.\nWhat is y?",
        "question only at the end": "Start: x = e2.\nStep 1: add e5.\nEnd: y is not known.\n"
        "Start: x = the answer before.\nStep 2: add e4.\nEnd: y is not known.\nWhat is y?",
        "half a part at the end": "Start: x = e2.\nStep 1: add e5.\nEnd: y is not known.\nWhat is y?\n"
        "Start: x = the answer before.\nStep 2: add e4.",
        "blank line between the parts": "Start: x = e2.\nStep 1: add e5.\nEnd: y is not known.\nWhat is y?\n\n"
        "Start: x = the answer before.\nStep 2: add e4.\nEnd: y is not known.\nWhat is y?",
    },
}


@pytest.mark.parametrize(
    ("form", "prompt"),
    [pytest.param(form, prompt, id=f"{form}-{name}") for form in MALFORMED for name, prompt in MALFORMED[form].items()],
)
def test_malformed_prompts_are_refused(form, prompt) -> None:
    with pytest.raises(ValueError):
        TEXT_FORMS[form].read_prompt(INTRO * (form == "sentences") + prompt, GF11_FIELD)


@each_text
@few_examples
@given(problem_and_strategies=answered())
def test_completions_in_any_strategies_are_read_as_right(text, problem_and_strategies) -> None:
    problem, strategies = problem_and_strategies
    completion = write(problem, strategies, text)
    reading = read_completion(completion, problem, text)
    assert reading.strategy == (strategies[0] if len(set(strategies)) == 1 else "mixed")
    assert (reading.answer, reading.correct, reading.correct_parts) == (problem.answer, True, len(problem.parts))
    assert (reading.first_wrong_step, reading.failure) == (None, None)
    assert verify_completion(completion, problem, text) == 1


@each_text
@few_examples
@given(problem_and_strategies=answered(FIELDS), data=st.data())
def test_a_mixed_part_makes_all_of_it_mixed(text, problem_and_strategies, data) -> None:
    problem, strategies = problem_and_strategies
    traces = write_traces(problem, strategies)
    place = data.draw(st.integers(0, len(traces) - 1))
    for mixed in ({place}, set(range(len(traces)))):
        openings = [{"forward": ("y", part.end), "backward": ("x", part.start)} for part in problem.parts]
        spoiled = [
            dataclasses.replace(trace, opening=openings[at][strategies[at]]) if at in mixed else trace
            for at, trace in enumerate(traces)
        ]
        reading = read_completion(join(spoiled, problem, text), problem, text)
        assert (reading.strategy, reading.correct_parts) == ("mixed", len(problem.parts))
        assert (reading.first_wrong_step, reading.failure) == (1, "lost_place")


@each_text
@few_examples
@given(problem_and_strategies=answered(FIELDS))
def test_words_are_counted_and_parts_are_cut_where_they_were_joined(text, problem_and_strategies) -> None:
    problem, strategies = problem_and_strategies
    completion = write(problem, strategies, text)
    assert len(completion.split()) == sum(count_words(part, text) for part in problem.parts)
    pieces = text.split_parts(completion, problem.task)
    assert len(pieces) == len(problem.parts)
    assert text.join_parts(pieces) == completion


@few_examples
@given(answered())
def test_vocabulary_holds_every_word(problem_and_strategies) -> None:
    problem, strategies = problem_and_strategies
    text = SymbolicText()
    words = f"{text.write_prompt(problem)} {write(problem, strategies, text)}".split(" ")
    assert set(words) <= set(text.vocabulary(problem.task))
