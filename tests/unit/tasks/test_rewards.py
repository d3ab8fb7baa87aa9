"""The verifier pays for exactly one thing: a completion that ends with its only answer line, right to the letter."""

import pytest
from generators import answered, each_text, mutations, problems
from hypothesis import given
from hypothesis import strategies as st
from oracles import spell

from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import Problem
from selectimprove.tasks.rewards import CUT, verify_completion
from selectimprove.tasks.strategies import STRATEGIES, read_completion, write_solution
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.tasks.texts import TEXT_FORMS

# 3 + 5 = 8, 8 * 7 = 1 in GF(11); the symbol of each element bears its number, so the answer is e1, and e10 exists.
PROBLEM = Problem("evaluation", Field(11, tuple(range(11))), 3, (("add", 5), ("multiply", 7)))
FORMS = {
    "symbolic": {
        "gap": " ",
        "give": "A x ",
        "to": " y ",
        "body": "x e3 L1 + e5 e8 L2 * e7 e1",
        "swapped": "A y e1 x e3",
        "asked_only": "A y e1",
    },
    "sentences": {
        "gap": "\n",
        "give": "Answer: x = ",
        "to": ", y = ",
        "body": "x = e3\nStep 1: e3 + e5 = e8\nStep 2: e8 * e7 = e1",
        "swapped": "Answer: y = e1, x = e3",
        "asked_only": "Answer: y = e1",
    },
}
FORMS["symbolic_question_first"] = FORMS["symbolic"]

REWARDED = {
    "true trace": "{body}{gap}{answer}",
    "answer alone": "{answer}",
    "rubbish before": "hm{gap}{answer}",
    "pad token before": "{body}{gap}<pad>{gap}{answer}",
    "trace twice": "{body}{gap}{body}{gap}{answer}",
    "blank line before": "{body}{gap}{gap}{answer}",
    "wrong trace": "x e3 L1 + e5 e9{gap}{answer}",
    "enormous rubbish before": "{million}{gap}{answer}",
    "prompt echo before": "{prompt}{gap}{answer}",
    "wrong value at the given end": "{body}{gap}{give}e2{to}e1",
    "asked value at the given end": "{body}{gap}{give}e1{to}e1",
}

UNREWARDED = {
    "empty": "",
    "blank": "{gap}",
    "no answer line": "{body}",
    "symbol alone": "e1",
    "answer twice": "{body}{gap}{answer}{gap}{answer}",
    "wrong answer first": "{ask}e2{gap}{answer}",
    "wrong answer last": "{answer}{gap}{ask}e2",
    "every answer": "{all_answers}",
    "answer first": "{answer}{gap}{body}",
    "answer in the middle": "{body}{gap}{answer}{gap}hm",
    "longer symbol": "{body}{gap}{ask}e10",
    "shorter symbol": "{body}{gap}{ask}e",
    "leading zero": "{body}{gap}{ask}e01",
    "beyond the field": "{body}{gap}{ask}e12",
    "number": "{body}{gap}{ask}1",
    "fullwidth digit": "{body}{gap}{ask}e１",
    "fullwidth letter": "{body}{gap}{ask}ｅ1",
    "Cyrillic letter": "{body}{gap}{ask}\u04351",
    "Arabic digit": "{body}{gap}{ask}e\u0661",
    "mathematical digit": "{body}{gap}{ask}e\U0001d7cf",
    "Cyrillic mark": "{body}{gap}{cyrillic_mark}",
    "Cyrillic name": "{body}{gap}{cyrillic_name}",
    "right-to-left override": "{body}{gap}{ask}\u202e1e",
    "superscript": "{body}{gap}{ask}e¹",
    "combining accent": "{body}{gap}{answer}\u0301",
    "zero-width space": "{body}{gap}{answer}\u200b",
    "no-break space": "{body}{gap}{ask}\u00a0e1",
    "upper-case symbol": "{body}{gap}{ask}E1",
    "lower-case answer": "{body}{gap}{lower}",
    "upper-case answer": "{body}{gap}{upper}",
    "names swapped": "{body}{gap}{swapped}",
    "values swapped": "{body}{gap}{give}e1{to}e3",
    "asked end only": "{body}{gap}{asked_only}",
    "given end only": "{body}{gap}{give}e3",
    "answer at the given end only": "{body}{gap}{give}e1",
    "ends on two answer lines": "{body}{gap}{give}e3{gap}{asked_only}",
    "no given value": "{body}{gap}{give}{to}e1",
    "given value unknown": "{body}{gap}{give}?{to}e1",
    "given value beyond the field": "{body}{gap}{give}e12{to}e1",
    "given value with leading zero": "{body}{gap}{give}e03{to}e1",
    "given value in fullwidth": "{body}{gap}{give}e３{to}e1",
    "two given values": "{body}{gap}{give}e3 e3{to}e1",
    "unknown name": "{body}{gap}{unknown_name}e1",
    "trailing period": "{body}{gap}{answer}.",
    "trailing comma and more": "{body}{gap}{answer}, e2",
    "trailing space": "{body}{gap}{answer} ",
    "trailing newline": "{body}{gap}{answer}\n",
    "trailing carriage return": "{body}{gap}{answer}\r",
    "trailing tab": "{body}{gap}{answer}\t",
    "trailing form feed": "{body}{gap}{answer}\f",
    "trailing surrogate": "{body}{gap}{answer}\ud800",
    "trailing null": "{body}{gap}{answer}\0",
    "trailing gap": "{body}{gap}{answer}{gap}",
    "escape sequence": "{body}{gap}{ask}\x1b[1me1",
    "backspaces": "{body}{gap}{ask}e2\b1",
    "double space": "{body}{gap}{ask} e1",
    "tab for a space": "{body}{gap}{tabbed}",
    "line separator": "{body}\u2028{answer}",
    "vertical tab": "{body}\v{answer}",
    "glued to the body": "{body}{answer}",
    "two values": "{body}{gap}{answer} e1",
    "other value after": "{body}{gap}{answer} e2",
    "alternatives": "{body}{gap}{answer}|e2",
    "end token": "{body}{gap}{answer}<eos>",
    "pad token after": "{body}{gap}{answer}{gap}<pad>",
    "pad token glued": "{body}{gap}{answer}<pad>",
    "chat token after": "{body}{gap}{answer}<|im_end|>",
    "pad token inside": "{body}{gap}{ask}<pad>e1",
    "pad token for the symbol": "{body}{gap}{ask}<pad>",
    "prompt echo": "{prompt}",
    "prompt echo after": "{answer}{gap}{prompt}",
    "placeholder": "{body}{gap}{ask}?",
    "boxed": "\\boxed{{e1}}",
    "quoted": '{body}{gap}{ask}"e1"',
    "enormous": "{million}",
    "enormous symbol": "{ask}e{ones}",
    "enormous answers": "{many_answers}",
    "enormous after the answer": "{answer}{gap}{million}",
}


def fill(template: str, form: str) -> str:
    """Return the template's completion in the text form."""
    words = FORMS[form]
    ask = f"{words['give']}e3{words['to']}"
    answer = f"{ask}e1"
    return template.format(
        **words,
        ask=ask,
        answer=answer,
        lower=answer.lower(),
        upper=answer.upper(),
        cyrillic_mark=answer.replace("A", "\u0410"),
        cyrillic_name=answer.replace("x", "\u0445"),
        unknown_name=ask.replace("y", "z"),
        tabbed=answer.replace(" ", "\t"),
        prompt=TEXT_FORMS[form].write_prompt(PROBLEM),
        all_answers=words["gap"].join(f"{ask}e{index}" for index in range(11)),
        million="hm " * 333_333,
        ones="1" * 1_000_000,
        many_answers=words["gap"].join([answer] * 80_000),
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("template", REWARDED.values(), ids=REWARDED)
def test_right_answer_line_is_rewarded(template, form) -> None:
    assert verify_completion(fill(template, form), PROBLEM, TEXT_FORMS[form]) == 1.0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("template", UNREWARDED.values(), ids=UNREWARDED)
def test_all_else_is_not_rewarded(template, form) -> None:
    assert verify_completion(fill(template, form), PROBLEM, TEXT_FORMS[form]) == 0.0


@each_text
def test_an_enormous_trace_is_read_to_its_end(text) -> None:
    """A million characters of steps, too many for the problem, before the right answer line."""
    trace = STRATEGIES["forward"](PROBLEM)
    steps = trace.steps * (1_000_000 // len(text.write_completion(trace, PROBLEM.task)))
    completion = text.write_completion(type(trace)(trace.opening, steps, trace.answer), PROBLEM.task)
    assert len(text.read_completion(completion, PROBLEM.task).steps) == len(steps)
    assert verify_completion(completion, PROBLEM, text) == 1.0


@each_text
@pytest.mark.parametrize("strategy", STRATEGIES)
@given(problem=problems())
def test_all_true_traces_are_rewarded(text, strategy, problem) -> None:
    completion = text.write_completion(STRATEGIES[strategy](problem), problem.task)
    assert verify_completion(completion, problem, text) == 1.0


def write_answer(text, start: str, end: str) -> str:
    return f"A x {start} y {end}" if isinstance(text, SymbolicText) else f"Answer: x = {start}, y = {end}"


def spell_values(text, problem) -> list[str]:
    form = next(form for form, other in TEXT_FORMS.items() if other is text)
    return [spell(value, problem.task, form) for value in problem.task.values]


def write_right_answers(text, problem) -> list[str]:
    """Return all answer lines that are right: any value at the given end."""
    value = problem.end if problem.kind == "evaluation" else problem.start
    spelled = spell_values(text, problem)
    pairs = [(other, spelled[problem.task.values.index(value)]) for other in spelled]
    return [write_answer(text, *(pair if problem.kind == "evaluation" else pair[::-1])) for pair in pairs]


@pytest.mark.fuzz
@each_text
@given(problem=problems(), data=st.data())
def test_rewarded_if_and_only_if_the_one_answer_line_is_last_and_right(text, problem, data) -> None:
    """Completions put together from right, wrong and broken answer lines, traces and rubbish."""
    gap, mark = (" ", "A") if isinstance(text, SymbolicText) else ("\n", "Answer:")
    right = write_right_answers(text, problem)
    symbols = st.sampled_from(spell_values(text, problem))
    answers = st.builds(lambda start, end: write_answer(text, start, end), symbols, symbols)
    swapped = answers.map(lambda line: line.translate(str.maketrans("xy", "yx")))
    halves = answers.map(lambda line: line[: line.rindex("y")].rstrip(", "))
    body = text.write_completion(STRATEGIES["forward"](problem), problem.task).split(f"{gap}{mark}")[0]
    rubbish = st.sampled_from([body, "hm", "", "e1", "answer", "a x e1 y e1", "x"])
    pieces = data.draw(st.lists(st.sampled_from(right) | rubbish | answers | swapped | halves, max_size=4))
    expected = bool(pieces) and pieces[-1] in right and sum(piece.startswith(mark) for piece in pieces) == 1
    assert verify_completion(gap.join(pieces), problem, text) == float(expected)


@pytest.mark.fuzz
@each_text
@given(problem=problems(), data=st.data())
def test_edited_traces_are_rewarded_only_with_their_answer_line_whole(text, problem, data) -> None:
    completion = data.draw(mutations(text.write_completion(STRATEGIES["backward"](problem), problem.task)))
    if isinstance(text, SymbolicText):
        words = completion.split(" ")
        line = 3 + 2 * len(spell_values(text, problem)[0].split())
        last, answers = " ".join(words[-line:]), words.count("A")
    else:
        last, answers = completion.split("\n")[-1], completion.count("Answer:")
    expected = last in write_right_answers(text, problem) and answers == 1
    assert verify_completion(completion, problem, text) == float(expected)


# Any problem, with a strategy for each of its parts.
SOLVED = st.tuples(problems(), st.tuples(st.sampled_from(list(STRATEGIES)))) | answered()


@each_text
@given(solved=SOLVED, data=st.data())
def test_right_completion_that_was_cut_has_no_answer(text, solved, data) -> None:
    """Cut anywhere, within a symbol or between two, or behind the last one: nothing in it is wrong, but the end."""
    problem, strategies = solved
    completion = write_solution(problem, strategies, text)
    cut = completion[: data.draw(st.integers(0, len(completion)))] + CUT
    reading = read_completion(cut, problem, text)
    assert (reading.answer, reading.correct, reading.failure) == (None, False, "no_answer")
    assert verify_completion(cut, problem, text) == 0.0


@each_text
@given(solved=SOLVED, data=st.data())
def test_no_completion_that_was_cut_is_paid(text, solved, data) -> None:
    problem, strategies = solved
    completion = write_solution(problem, strategies, text)
    written = data.draw(mutations(completion) | st.sampled_from([completion + end for end in (" ", "\n", " A", "\nA")]))
    assert verify_completion(written + CUT, problem, text) == 0.0
    assert not read_completion(written + CUT, problem, text).correct
