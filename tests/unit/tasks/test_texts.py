"""Both text forms: what is written is read back, and nothing else is."""

import dataclasses

import pytest
from generators import FIELDS, TASKS, each_text, mutations, problems, tasks_and_traces
from hypothesis import example, given
from hypothesis import strategies as st

from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import Problem
from selectimprove.tasks.programs import Programs
from selectimprove.tasks.strategies import STRATEGIES
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.tasks.texts import TEXT_FORMS

GF11 = Field(11, (3, 1, 4, 0, 5, 9, 2, 6, 8, 7, 10))
PROBLEM = Problem("evaluation", GF11, start=4, operations=(("add", 9), ("multiply", 7)), first_label=7)


def test_written_forms_are_pinned() -> None:
    """The texts of one problem to the letter: a change of form is a change of every model."""
    symbolic, sentences = TEXT_FORMS["symbolic"], TEXT_FORMS["sentences"]
    forward, backward = (write(PROBLEM) for write in STRATEGIES.values())
    assert symbolic.write_prompt(PROBLEM) == "x e2 L7 + e5 L8 * e9 y ? ? y"
    assert symbolic.write_completion(forward, GF11) == "x e2 L7 + e5 e6 L8 * e9 e0 A x e2 y e0"
    assert symbolic.write_completion(backward, GF11) == "y e0 L8 / e9 e6 L7 - e5 e2 A x e2 y e0"
    assert sentences.write_prompt(PROBLEM) == (
        "We calculate in the finite field with 11 elements, written e0 to e10.\n"
        "Start: x = e2.\nStep 7: add e5.\nStep 8: multiply by e9.\nEnd: y is not known.\nWhat is y?"
    )
    assert sentences.write_completion(backward, GF11) == (
        "y = e0\nStep 8: e0 / e9 = e6\nStep 7: e6 - e5 = e2\nAnswer: x = e2, y = e0"
    )


@each_text
@given(problem=problems())
def test_prompt_round_trip(text, problem) -> None:
    assert text.read_prompt(text.write_prompt(problem), problem.task) == problem


@each_text
@given(problem=problems(FIELDS))
def test_prompt_hides_the_answer(text, problem) -> None:
    """The symbols in a prompt are those of the given end and of the operands, no more."""
    plain = dataclasses.replace(problem, task=dataclasses.replace(problem.task, stated=False))
    given_end = plain.start if plain.kind == "evaluation" else plain.end
    symbols = [plain.task.write_value(value) for value in (given_end, *(operand for _, operand in plain.operations))]
    chain = text.write_prompt(plain).split("written e0 to", 1)[-1]
    found = [word.strip(".,") for word in chain.split() if word[0] == "e" and word.strip(".,")[1:].isdigit()]
    if text is TEXT_FORMS["sentences"]:
        found = found[1:]  # the last symbol of the field, in the opening sentence
    assert sorted(found) == sorted(symbols)


@each_text
@given(task_and_trace=tasks_and_traces())
def test_completion_round_trip(text, task_and_trace) -> None:
    """Any trace, right or wrong, is read back; the symbolic form does not write the left operand."""
    task, trace = task_and_trace
    if isinstance(text, SymbolicText):
        trace = dataclasses.replace(trace, steps=tuple(dataclasses.replace(step, left=None) for step in trace.steps))
    assert text.read_completion(text.write_completion(trace, task), task) == trace


@each_text
@pytest.mark.parametrize("strategy", STRATEGIES)
@given(problem=problems())
def test_words_are_counted(text, strategy, problem) -> None:
    completion = text.write_completion(STRATEGIES[strategy](problem), problem.task)
    fewest, written = text.count_words(problem.task, problem.steps, 1), len(completion.split())
    assert fewest <= written
    if isinstance(text, SymbolicText) or not isinstance(problem.task, Programs):  # whose expressions have more or fewer
        assert fewest == written


@given(problem=problems(), strategy=st.sampled_from(list(STRATEGIES)))
def test_vocabulary_holds_every_word(problem, strategy) -> None:
    text = SymbolicText()
    completion = text.write_completion(STRATEGIES[strategy](problem), problem.task)
    vocabulary = text.vocabulary(problem.task)
    assert len(set(vocabulary)) == len(vocabulary)
    assert set(f"{text.write_prompt(problem)} {completion}".split(" ")) <= set(vocabulary)


def assert_read_exactly_or_refused(text, prompt, task) -> None:
    """A prompt is refused with ValueError, or it is what `write_prompt` makes of the problem read."""
    try:
        problem = text.read_prompt(prompt, task)
    except ValueError:
        return
    assert text.write_prompt(problem) == prompt


@each_text
@given(prompt=st.text())
def test_arbitrary_prompts_are_refused(text, prompt) -> None:
    with pytest.raises(ValueError):
        text.read_prompt(prompt, GF11)


@each_text
@given(problem=problems(), data=st.data())
def test_mutated_prompts_are_read_exactly_or_refused(text, problem, data) -> None:
    prompt = data.draw(mutations(text.write_prompt(problem)))
    assert_read_exactly_or_refused(text, prompt, problem.task)


MALFORMED = {
    "symbolic": {
        "the wrong question": "x e2 L7 + e5 y ? ? x",
        "no question": "x e2 L7 + e5 y ?",
        "no steps": "x e2 y ? ? y",
        "both ends": "x e2 L7 + e5 y e6 ? y",
        "no end": "x ? L7 + e5 y ? ? y",
        "multiplies by zero": "x ? L7 * e3 y e2 ? x",
        "symbol beyond the field": "x e2 L7 + e11 y ? ? y",
        "leading zero": "x e02 L7 + e5 y ? ? y",
        "labels do not follow": "x e2 L7 + e5 L3 * e9 y ? ? y",
        "label with a leading zero": "x e2 L07 + e5 y ? ? y",
        "label in other digits": "x e2 L٧ + e5 y ? ? y",
        "short map": "M e0 3 e1 1 x e1 L7 + e5 y ? ? y",
        "map with a repeat": "M e0 1 e1 1 e2 2 e3 3 e4 4 x e0 L7 + e2 y ? ? y",
        "map out of order": "M e1 1 e0 0 e2 2 e3 3 e4 4 x e1 L7 + e2 y ? ? y",
        "map beyond the field": "M e0 0 e1 1 e2 2 e3 3 e4 9 x e4 L7 + e2 y ? ? y",
        "trailing space": "x e2 L7 + e5 y ? ? y ",
        "trailing newline": "x e2 L7 + e5 y ? ? y\n",
    },
    "symbolic_question_first": {
        "question last": "x e2 L7 + e5 y ? ? y",
        "the wrong question": "x x e2 L7 + e5 y ? ?",
        "no question": "x e2 L7 + e5 y ? ?",
        "question at both ends": "y x e2 L7 + e5 y ? ? y",
        "no steps": "y x e2 y ? ?",
        "no end": "y x ? L7 + e5 y ? ?",
        "nothing but the question": "y",
    },
    "sentences": {
        "no steps": "Start: x = e2.\nEnd: y is not known.\nWhat is y?",
        "both ends": "Start: x = e2.\nStep 1: add e5.\nEnd: y = e6.\nWhat is y?",
        "asks for what it gives": "Start: x = e2.\nStep 1: add e5.\nEnd: y is not known.\nWhat is x?",
        "multiplies by zero": "Start: x is not known.\nStep 1: multiply by e3.\nEnd: y = e2.\nWhat is x?",
        "symbol beyond the field": "Start: x = e2.\nStep 1: add e11.\nEnd: y is not known.\nWhat is y?",
        "labels do not follow": "Start: x = e2.\nStep 1: add e5.\nStep 1: add e5.\nEnd: y is not known.\nWhat is y?",
        "label with a leading zero": "Start: x = e2.\nStep 01: add e5.\nEnd: y is not known.\nWhat is y?",
        "add by": "Start: x = e2.\nStep 1: add by e5.\nEnd: y is not known.\nWhat is y?",
        "multiply without by": "Start: x = e2.\nStep 1: multiply e5.\nEnd: y is not known.\nWhat is y?",
        "short map": "The symbols stand for numbers: e0 = 3, e1 = 1.\n"
        "Start: x = e1.\nStep 1: add e1.\nEnd: y is not known.\nWhat is y?",
        "trailing newline": "Start: x = e2.\nStep 1: add e5.\nEnd: y is not known.\nWhat is y?\n",
    },
}


@pytest.mark.parametrize(
    ("form", "name", "prompt"),
    [
        pytest.param(form, name, prompt, id=f"{form}-{name}")
        for form in MALFORMED
        for name, prompt in MALFORMED[form].items()
    ],
)
def test_malformed_prompts_are_refused(form, name, prompt) -> None:
    of_five = "e4 4 x" in prompt or "e4 9 x" in prompt
    field = Field(5, tuple(range(5)), stated=True) if of_five else dataclasses.replace(GF11, stated="map" in name)
    if form == "sentences":
        prompt = f"We calculate in the finite field with 11 elements, written e0 to e10.\n{prompt}"
    with pytest.raises(ValueError):
        TEXT_FORMS[form].read_prompt(prompt, field)


@each_text
def test_prompt_without_its_map_is_refused(text) -> None:
    """Where prompts state their map, one that does not is malformed; where they do not, one that does."""
    stated = dataclasses.replace(GF11, stated=True)
    with pytest.raises(ValueError):
        text.read_prompt(text.write_prompt(PROBLEM), stated)
    with pytest.raises(ValueError):
        text.read_prompt(text.write_prompt(dataclasses.replace(PROBLEM, task=stated)), GF11)


@pytest.mark.fuzz
@each_text
@given(task=TASKS, completion=st.text())
@example(task=GF11, completion="")
@example(task=GF11, completion="A x e1 y")
@example(task=GF11, completion="Answer: x = e1, y =")
def test_arbitrary_completions_never_raise(text, task, completion) -> None:
    trace = text.read_completion(completion, task)
    assert (trace.opening, trace.steps, trace.answer) == (None, (), None)


NOT_ANSWERS = {
    "symbolic": ["A y e1 x e3", "A y e1", "A x e3", "A x e3 x e1", "A y e3 y e1", "A e3 e1", "A x e3 y e1 y e1"],
    "symbolic_question_first": ["A y e1 x e3", "A y e1"],
    "sentences": [
        "Answer: y = e1, x = e3",
        "Answer: y = e1",
        "Answer: x = e3",
        "Answer: x = e3, x = e1",
        "Answer: y = e3, y = e1",
        "Answer: x = e3 y = e1",
        "Answer: x = e3\ny = e1",
    ],
}


@pytest.mark.parametrize(("form", "line"), [(form, line) for form, lines in NOT_ANSWERS.items() for line in lines])
def test_answer_line_has_both_ends_in_order(form, line) -> None:
    text = TEXT_FORMS[form]
    trace = STRATEGIES["forward"](PROBLEM)
    whole = text.write_completion(trace, GF11)
    body = whole[: whole.index("A")]
    read = text.read_completion(body + line, GF11)
    assert (read.answer, read.readable, len(read.steps)) == (None, False, 2)


@pytest.mark.fuzz
@each_text
@given(problem=problems(), strategy=st.sampled_from(list(STRATEGIES)), data=st.data())
def test_mutated_completions_are_read_exactly_or_not_readable(text, problem, strategy, data) -> None:
    """Reading never raises, and what it finds readable and complete is what was written."""
    true = text.write_completion(STRATEGIES[strategy](problem), problem.task)
    completion = data.draw(mutations(true))
    trace = text.read_completion(completion, problem.task)
    if trace.readable and trace.answer:
        assert text.write_completion(trace, problem.task) == completion


@each_text
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_longest_chain_is_read_back(text, strategy) -> None:
    """As long as the labels last: to the end of the pool, or beyond two digits where there is none."""
    steps = text.label_pool or 120
    problem = Problem("evaluation", GF11, 4, (("add", 9),) * steps)
    trace = text.read_completion(text.write_completion(STRATEGIES[strategy](problem), GF11), GF11)
    assert trace.readable
    assert len(trace.steps) == steps
