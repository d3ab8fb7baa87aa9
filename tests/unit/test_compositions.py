"""Compositions: answers recomputed from the prompts alone, splits by content, and what their completions are paid."""

import dataclasses
import itertools
import json
import math
import random
import re
from collections import Counter

import pytest
from generators import LABEL_POOL, answered, calculate, compositions, each_text, mutations, run_chain
from hypothesis import given, settings
from hypothesis import strategies as st

from selectimprove.data import make_rows, read_rows, write_dataset
from selectimprove.field import Field
from selectimprove.problems import (
    Composition,
    Problem,
    check_capacity,
    compose_problems,
    count_strata,
    sample_problems,
)
from selectimprove.rewards import verify_completion
from selectimprove.specs import KINDS, SPLITS, DatasetSpec, DataSpec, FieldSpec
from selectimprove.strategies import FAILURES, STRATEGIES, SUITED, read_completion
from selectimprove.texts import SIGNS, TEXT_FORMS, SymbolicText

GAPS = {"symbolic": " ", "sentences": "\n"}
HALVES = {"forward": 0.5, "backward": 0.5}
GF5, GF11 = FieldSpec(5, "fixed"), FieldSpec(11, "fixed")
SMALL = {"train": 1, "validation": 1, "test": 1}
few_examples = settings(max_examples=40)


def make_spec(
    parts=(2, 4), steps=(1, 3), evaluation=0.5, strategies=None, name="data", size=200, **sizes
) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        field="field",
        parts=parts,
        steps=steps,
        kinds={"evaluation": evaluation, "inversion": 1 - evaluation},
        strategies=strategies,
        sizes={"train": size, "validation": 30, "test": 40, **sizes},
    )


def sample(spec, split="train", seed=0, field=GF11, label_pool=LABEL_POOL) -> list:
    return list(sample_problems(spec, field, split, seed, label_pool))


def find_given(part: Problem) -> int:
    return part.start if part.kind == "evaluation" else part.end


def find_content(problem) -> tuple:
    """Return what makes a chain the same chain: a composition is that of all its operations from what it is given."""
    if isinstance(problem, Problem):
        return problem.start, problem.operations
    return find_given(problem.parts[0]), tuple(itertools.chain.from_iterable(part.operations for part in problem.parts))


# --- An oracle that knows the text forms and integer arithmetic, and nothing of the library.


def split_prompt(prompt: str, form: str) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """Return (name asked for, word given, [(label, sign, operand word), ...]) of each part of a prompt."""
    parts = []
    if form == "symbolic":
        words = prompt.split(" ")
        if words[0] == "M":
            words = words[words.index("x") :]
        while words:
            assert words.pop(0) == "x"
            ends = {"x": words.pop(0)}
            steps = []
            while words[0] != "y":
                steps.append((words.pop(0).removeprefix("L"), words.pop(0), words.pop(0)))
            words.pop(0)
            ends["y"] = words.pop(0)
            assert words.pop(0) == "?"
            asked = words.pop(0)
            assert ends.pop(asked) == "?"
            parts.append((asked, *ends.values(), steps))
        return parts
    for line in prompt.split("\n"):
        words = line.rstrip(".?").split(" ")
        if words[0] == "Start:":
            steps = []
            start = "?" if "not" in words else " ".join(words[3:])
        elif words[0] == "Step":
            steps.append((words[1].rstrip(":"), {"add": "+", "multiply": "*"}[words[2]], words[-1]))
        elif words[0] == "End:":
            end = "?" if "not" in words else " ".join(words[3:])
        elif words[0] == "What":
            asked, ends = words[2], {"x": start, "y": end}
            assert ends.pop(asked) == "?"
            parts.append((asked, *ends.values(), steps))
    return parts


def solve_prompt(prompt: str, form: str, symbols: dict[str, int]) -> list[int]:
    """Return the answer of each part; x is found by trying every element of the field."""
    before = {"symbolic": "A", "sentences": "the answer before"}[form]
    order = len(symbols)
    answers = []
    for asked, word, steps in split_prompt(prompt, form):
        assert (word == before) == bool(answers)
        known = answers[-1] if answers else symbols[word]

        def follow(value, steps=steps) -> int:
            for _, sign, operand in steps:
                value = value + symbols[operand] if sign == "+" else value * symbols[operand]
            return value % order

        if asked == "y":
            answers.append(follow(known))
        else:
            (found,) = [value for value in range(order) if follow(value) == known]
            answers.append(found)
    return answers


def pays(completion: str, problem, form: str) -> bool:
    """Return whether there is exactly one answer line a part, the last of them at the end and right."""
    symbols = {f"e{index}": element for index, element in enumerate(problem.field.elements)}
    if form == "symbolic":
        words = completion.split(" ")
        lines = [words[place : place + 5] for place, word in enumerate(words) if word == "A"]
        shaped = all(len(line) == 5 and (line[1], line[3]) == ("x", "y") for line in lines)
        values = [(line[2], line[4]) for line in lines if shaped]
        at_end = words[-5:] in lines
    else:
        lines = [line for line in completion.split("\n") if "Answer:" in line]
        shaped = all(re.fullmatch(r"Answer: x = \S+, y = \S+", line) for line in lines)
        values = [tuple(re.findall(r"= ([^\s,]+)", line)) for line in lines if shaped]
        at_end = completion.split("\n")[-1] in lines
    if not (shaped and at_end and len(values) == len(problem.parts)):
        return False
    if not all(symbol in symbols for pair in values for symbol in pair):
        return False
    asked = 1 if problem.parts[-1].kind == "evaluation" else 0
    return symbols[values[-1][asked]] == problem.parts[-1].answer


VARIANTS = list(itertools.product([5, 11], ["fixed", "per_problem"], TEXT_FORMS))


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join(map(str, variant)), scope="module")
def written(request, tmp_path_factory):
    """A data set of one to four parts on disk: its spec, folder, and rows with the symbol map of each."""
    order, symbol_map, text = request.param
    dataset = make_spec((1, 4), (2, 4), strategies="suited", size=160)
    spec, folder = DataSpec(dataset, FieldSpec(order, symbol_map), text, 3), tmp_path_factory.mktemp("data")
    write_dataset(spec, folder)
    fixed = json.loads((folder / "field.json").read_text())
    lines = [line for split in SPLITS for line in (folder / f"{split}.jsonl").read_text().splitlines()]
    rows = [json.loads(line) for line in lines]
    return spec, folder, [(row, row["symbols"] if symbol_map == "per_problem" else fixed["symbols"]) for row in rows]


def test_every_answer_follows_from_the_prompt_alone(written) -> None:
    """Also the answers in between, which must be what the parts in the file say."""
    spec, _, rows = written
    assert len(rows) == 160 + 30 + 40
    assert {len(row.get("parts", "1")) for row, _ in rows} == {1, 2, 3, 4}
    for row, symbols in rows:
        assert sorted(symbols.values()) == list(range(spec.field.order))
        answers = solve_prompt(row["prompt"], spec.text, symbols)
        assert answers[-1] == row["answer"]
        told = [part["end" if part["kind"] == "evaluation" else "start"] for part in row.get("parts", [row])]
        assert answers == told


def test_prompts_state_the_map_once_or_not_at_all(written) -> None:
    spec, _, rows = written
    for row, symbols in rows:
        if spec.text == "symbolic":
            stated = re.match(r"M((?: e\d+ \d+)*) x", row["prompt"])
            pairs = re.findall(r"(e\d+) (\d+)", stated[1]) if stated else []
        else:
            pairs = re.findall(r"(e\d+) = (\d+)", row["prompt"])
        stated_map = symbols if spec.field.symbol_map == "per_problem" else {}
        assert pairs == [(symbol, str(element)) for symbol, element in stated_map.items()]


def test_each_part_but_the_first_is_given_the_answer_before_it(written) -> None:
    """Read from the file, whose chains are recomputed."""
    spec, _, rows = written
    compositions = [row for row, _ in rows if row["kind"] == "composition"]
    assert len(compositions) > 150
    for row in compositions:
        assert row["steps"] == sum(len(part["operations"]) for part in row["parts"])
        before = None
        for part in row["parts"]:
            assert part["end"] == run_chain(part["start"], part["operations"], spec.field.order)
            known, answer = ("start", "end") if part["kind"] == "evaluation" else ("end", "start")
            assert before in (None, part[known])
            before = part[answer]


def test_suited_parts_are_written_in_the_strategy_of_their_kind(written) -> None:
    """Forward openings name x, backward ones y; each part of a completion gives its answer."""
    spec, _, rows = written
    opening = re.compile(r"(?:^|L\d+ )([xy]) e\d+ L" if spec.text == "symbolic" else r"(?m)^([xy]) = ")
    for row, symbols in rows:
        kinds = [part["kind"] for part in row.get("parts", [row])]
        strategies = [{"evaluation": "forward", "inversion": "backward"}[kind] for kind in kinds]
        assert row["strategy"] == "+".join(strategies)
        lines = re.findall(r"(?:A|Answer:) x (?:= )?(e\d+),? y (?:= )?(e\d+)(?:\s|$)", row["completion"])
        asked = [0 if strategy == "backward" else 1 for strategy in strategies]
        answers = [symbols[line[place]] for line, place in zip(lines, asked, strict=True)]
        assert answers == solve_prompt(row["prompt"], spec.text, symbols)
        openings = opening.findall(row["completion"])
        assert openings == [{"forward": "x", "backward": "y"}[strategy] for strategy in strategies]


def test_written_completions_are_read_back_as_right(written) -> None:
    spec, folder, _ = written
    text = TEXT_FORMS[spec.text]
    for split in SPLITS:
        for row in read_rows(folder / f"{split}.jsonl"):
            reading = read_completion(row["completion"], row["problem"], text)
            assert (reading.correct, reading.answer) == (True, row["answer"])
            assert (reading.first_wrong_step, reading.failure) == (None, None)
            assert reading.correct_parts == len(row.get("parts", [row]))
            assert verify_completion(row["completion"], row["problem"], text) == 1


def test_rows_read_back_hold_equal_problems(written) -> None:
    spec, folder, rows = written
    pool = TEXT_FORMS[spec.text].label_pool
    for split in SPLITS:
        expected = list(sample_problems(spec.dataset, spec.field, split, 3, pool))
        assert [row["problem"] for row in read_rows(folder / f"{split}.jsonl")] == expected
    assert [row for split in SPLITS for row in make_rows(spec, split)] == [row for row, _ in rows]


def test_prompts_of_a_data_set_are_read_back(written) -> None:
    spec, folder, _ = written
    for row in read_rows(folder / "train.jsonl"):
        told = None if spec.field.symbol_map == "per_problem" else row["problem"].field
        assert TEXT_FORMS[spec.text].read_prompt(row["prompt"], spec.field.order, told) == row["problem"]


def test_labels_follow_one_another_over_the_parts(written) -> None:
    """In the prompt; drawn from the pool where the text form has one, else from 1."""
    spec, _, rows = written
    firsts, lasts = set(), set()
    for row, _ in rows:
        labels = [int(label) for _, _, steps in split_prompt(row["prompt"], spec.text) for label, _, _ in steps]
        assert labels == list(range(labels[0], labels[0] + row["steps"]))
        firsts.add(labels[0])
        lasts.add(labels[-1])
    if spec.text == "symbolic":
        assert min(firsts) == 1
        assert max(lasts) == 24
        assert len(firsts) > 15
    else:
        assert firsts == {1}


# --- Sampling.


def test_first_labels_take_every_value_that_fits() -> None:
    sampled = sample(make_spec((3, 3), (5, 5), size=400))
    assert {problem.parts[0].first_label for problem in sampled} == set(range(1, 24 - 15 + 2))


def test_labels_can_fill_the_pool() -> None:
    sampled = sample(make_spec((4, 4), (6, 6)))
    assert {tuple(part.first_label for part in problem.parts) for problem in sampled} == {(1, 7, 13, 19)}


def test_strata_by_hand() -> None:
    """25 problems of one to three parts: nine single ones, 0.75 * 9 rounded to seven of them evaluation."""
    assert count_strata(make_spec((1, 3), (2, 3), 0.75), 25) == {
        ("evaluation", 2): 4,
        ("evaluation", 3): 3,
        ("inversion", 2): 1,
        ("inversion", 3): 1,
        ("composition", 2): 8,
        ("composition", 3): 8,
    }


@pytest.mark.parametrize("parts", [(1, 1), (2, 2), (1, 4), (3, 5)])
@pytest.mark.parametrize("size", [1, 7, 100, 301])
def test_numbers_of_parts_have_even_shares(parts, size) -> None:
    sampled = sample(make_spec(parts, (1, 3), size=size))
    counts = Counter(len(problem.parts) for problem in sampled)
    numbers = range(parts[0], parts[1] + 1)
    assert counts.total() == size
    assert set(counts) <= set(numbers)
    assert max(counts[number] for number in numbers) - min(counts[number] for number in numbers) <= 1
    assert all((problem.kind == "composition") == (len(problem.parts) > 1) for problem in sampled)
    if size > 1:
        assert len({len(problem.parts) for problem in sampled[: 5 * len(numbers)]}) == len(numbers), "not shuffled"


@pytest.mark.parametrize("share", [0, 0.5, 0.75, 1])
def test_kinds_and_lengths_of_parts_have_their_shares(share) -> None:
    """Drawn part by part, so within five standard deviations; the first part and the last like the others."""
    sampled = sample(make_spec((3, 3), (2, 4), share, size=1500))
    for place in range(3):
        parts = [problem.parts[place] for problem in sampled]
        evaluations = sum(part.kind == "evaluation" for part in parts)
        assert abs(evaluations - share * 1500) <= 5 * math.sqrt(1500 * share * (1 - share))
        lengths = Counter(part.steps for part in parts)
        assert set(lengths) == {2, 3, 4}
        assert all(abs(count - 500) < 5 * math.sqrt(1500 * 2 / 9) for count in lengths.values())


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("share", [0.5, 1])
def test_no_composition_repeats_within_a_split(split, share) -> None:
    """Checked where as many are drawn as the split holds chains: all of them if there is one kind alone."""
    chains = {"train": 256, "validation": 32, "test": 32}
    sampled = sample(make_spec((2, 2), (1, 1), share, **chains), split, field=GF5)
    kinds = [tuple(part.kind for part in problem.parts) for problem in sampled]
    contents = [find_content(problem) for problem in sampled]
    assert len(set(zip(kinds, contents, strict=True))) == len(sampled) == chains[split]
    assert (len(set(contents)) == chains[split]) == (share == 1)


def test_splits_of_all_data_sets_are_disjoint() -> None:
    """Also from those of single problems: a flat chain met in training is never tested, however it is cut in parts."""
    found: dict[str, set] = {split: set() for split in SPLITS}
    compositions = Counter()
    for parts, seed, share in itertools.product([(1, 1), (2, 2), (1, 3), (3, 3)], [0, 1], [0.5, 0.9]):
        steps = (2, 3) if parts == (1, 1) else (1, 1)
        spec = make_spec(parts, steps, share, name=f"parts{parts}", size=90, validation=12, test=12)
        for split in SPLITS:
            sampled = sample(spec, split, seed, GF5)
            compositions[split] += sum(problem.kind == "composition" for problem in sampled)
            found[split] |= {find_content(problem) for problem in sampled}
    assert min(compositions.values()) > 100
    assert len(found["train"]) > 500
    assert min(len(found["validation"]), len(found["test"])) > 60
    for first, second in itertools.combinations(SPLITS, 2):
        assert not found[first] & found[second]


def test_same_seed_same_problems() -> None:
    assert sample(make_spec()) == sample(make_spec())


@pytest.mark.parametrize("change", [{"seed": 1}, {"split": "test"}, {"spec": make_spec(name="other")}])
def test_other_seed_split_or_name_gives_other_problems(change) -> None:
    first, second = sample(make_spec()), sample(**{"spec": make_spec(), **change})
    shared = {find_content(problem) for problem in first} & {find_content(problem) for problem in second}
    assert len(shared) <= 0.05 * len(second)
    kinds = [[tuple(part.kind for part in problem.parts) for problem in sampled] for sampled in (first, second)]
    assert kinds[0][: len(second)] != kinds[1]


def test_symbol_map_is_one_per_seed_or_one_per_problem() -> None:
    fixed = {part.field for seed in (0, 1) for problem in sample(make_spec(), seed=seed) for part in problem.parts}
    stated = sample(make_spec(), field=FieldSpec(11, "per_problem"))
    assert len(fixed) == 2
    assert len({problem.field for problem in stated}) == len(stated)
    for problem in stated:
        assert problem.stated_map
        assert {part.field for part in problem.parts} == {problem.field}


@pytest.mark.parametrize(("split", "available"), [("train", 256), ("validation", 32), ("test", 32)])
def test_too_many_compositions_are_refused(split, available) -> None:
    """As many as there are chains of the shortest compositions, and not one more."""
    check_capacity(make_spec((2, 3), (1, 2), **{**SMALL, split: 2 * available}), 5)
    beyond = make_spec((2, 3), (1, 2), **{**SMALL, split: 2 * available + 1})
    message = (
        rf"^datasets\.data\.sizes\.{split}: {2 * available + 1} problems take {available + 1} compositions of 2 parts, "
        rf"but over GF\(5\) only {available} distinct"
    )
    for refuse in (check_capacity, lambda spec, _: sample(spec, field=GF5)):
        with pytest.raises(ValueError, match=message):
            refuse(beyond, 5)


# --- Strategies of the parts.


@pytest.mark.parametrize("share", [0, 0.5, 0.75, 1])
def test_strategies_of_parts_have_their_shares(share) -> None:
    """Drawn part by part and whatever the kind: within five standard deviations."""
    strategies = {"forward": share, "backward": 1 - share}
    dataset = make_spec((2, 2), (1, 2), strategies=strategies, size=1000)
    rows = make_rows(DataSpec(dataset, GF11, "symbolic", 0), "train")
    drawn = [
        (place, part["kind"], name)
        for row in rows
        for place, (part, name) in enumerate(zip(row["parts"], row["strategy"].split("+"), strict=True))
    ]
    for place, kind in itertools.product(range(2), KINDS):
        names = [name for where, of, name in drawn if (where, of) == (place, kind)]
        assert len(names) > 400
        spread = 5 * math.sqrt(len(names) * share * (1 - share))
        assert abs(names.count("forward") - share * len(names)) <= spread
    if share == 0.5:
        assert {row["strategy"] for row in rows} == {"+".join(pair) for pair in itertools.product(STRATEGIES, repeat=2)}


def test_order_of_strategy_shares_does_not_matter() -> None:
    spec, turned = (
        DataSpec(make_spec(strategies=dict(shares), size=60), GF11, "symbolic", 0)
        for shares in (HALVES.items(), reversed(HALVES.items()))
    )
    assert make_rows(spec, "train") == make_rows(turned, "train")


def test_prompts_only_data_sets_have_no_completions() -> None:
    row = make_rows(DataSpec(make_spec(), GF11, "symbolic", 0), "train")[0]
    assert set(row) == {"id", "kind", "steps", "field_order", "parts", "prompt", "answer"}


# --- Texts of any composition.


def write(problem, strategies, text) -> str:
    return join(write_traces(problem, strategies), problem, text)


def write_traces(problem, strategies) -> list:
    """Return the right trace of each part in its strategy."""
    return [STRATEGIES[name](part) for name, part in zip(strategies, problem.parts, strict=True)]


def join(traces, problem, text) -> str:
    labels = [min(step.label for step in trace.steps) for trace in traces]
    return text.join_parts(
        [text.write_completion(trace, problem.field, label) for trace, label in zip(traces, labels, strict=True)]
    )


def count_words(part, text) -> int:
    """Return how many words a part of a composition has."""
    return text.count_words(part.steps, 2) // 2


def write_suited(problem, text) -> str:
    return write(problem, [SUITED[part.kind] for part in problem.parts], text)


@few_examples
@given(compositions())
def test_composing_parts_works_out_their_values(problem) -> None:
    given_first, operations = find_content(problem)
    composed = compose_problems(
        [part.kind for part in problem.parts],
        [part.steps for part in problem.parts],
        problem.field,
        given_first,
        operations,
        problem.parts[0].first_label,
        problem.stated_map,
    )
    assert composed == problem
    assert (composed.answer, composed.steps) == (problem.parts[-1].answer, len(operations))


GF11_FIELD = Field(11, (3, 1, 4, 0, 5, 9, 2, 6, 8, 7, 10))
# 4 + 9 = 2, 2 * 7 = 3; then the x with x + 5 = 3, which is 9.
PROBLEM = Composition(
    (
        Problem("evaluation", GF11_FIELD, 4, (("add", 9), ("multiply", 7)), 7),
        Problem("inversion", GF11_FIELD, 9, (("add", 5),), 9),
    )
)
INTRO = "We calculate in the finite field with 11 elements, written e0 to e10.\n"
PIECES = {
    "symbolic": {
        "first": "L7 x e2 L7 + e5 e6 L8 * e9 e0 A x e2 y e0",
        "second": "L9 y e0 L9 - e4 e5 A x e5 y e0",
        "line": "A x {} y {}",
        "turned line": "A y {1} x {0}",
        "cut line": "A x {}",
        "opening of a line": "A",
    },
    "sentences": {
        "first": "x = e2\nStep 7: e2 + e5 = e6\nStep 8: e6 * e9 = e0\nAnswer: x = e2, y = e0",
        "second": "y = e0\nStep 9: e0 - e4 = e5\nAnswer: x = e5, y = e0",
        "line": "Answer: x = {}, y = {}",
        "turned line": "Answer: y = {1}, x = {0}",
        "cut line": "Answer: x = {}",
        "opening of a line": "Answer:",
    },
}


def test_written_forms_are_pinned() -> None:
    """The texts of one composition to the letter: a change of form is a change of every model."""
    symbolic, sentences = TEXT_FORMS["symbolic"], TEXT_FORMS["sentences"]
    assert symbolic.write_prompt(PROBLEM) == "x e2 L7 + e5 L8 * e9 y ? ? y x ? L9 + e4 y A ? x"
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
    told = None if problem.stated_map else problem.field
    assert text.read_prompt(text.write_prompt(problem), problem.field.order, told) == problem


@pytest.mark.parametrize("form", TEXT_FORMS)
@few_examples
@given(problem=compositions())
def test_prompt_hides_every_answer(form, problem) -> None:
    """Its symbols are the operands and what the first part is given, no more."""
    prompt = TEXT_FORMS[form].write_prompt(problem)
    words = [word for _, given, steps in split_prompt(prompt, form) for word in (given, *(step[2] for step in steps))]
    given_first, operations = find_content(problem)
    values = [given_first, *(operand for _, operand in operations)]
    shown = [word for word in words if re.fullmatch(r"e\d+", word)]
    assert sorted(shown) == sorted(problem.field.symbol(value) for value in values)
    assert len(words) - len(shown) == len(problem.parts) - 1


@each_text
@given(problem=compositions(), data=st.data())
def test_mutated_prompts_are_read_exactly_or_refused(text, problem, data) -> None:
    prompt = data.draw(mutations(text.write_prompt(problem)))
    try:
        read = text.read_prompt(prompt, problem.field.order, problem.field)
    except ValueError:
        return
    assert text.write_prompt(read) == prompt


MALFORMED = {
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
        TEXT_FORMS[form].read_prompt(INTRO * (form == "sentences") + prompt, 11, GF11_FIELD)


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
@given(problem_and_strategies=answered())
def test_words_are_counted_and_parts_are_cut_where_they_were_joined(text, problem_and_strategies) -> None:
    problem, strategies = problem_and_strategies
    completion = write(problem, strategies, text)
    assert len(completion.split()) == sum(count_words(part, text) for part in problem.parts)
    pieces = text.split_parts(completion)
    assert len(pieces) == len(problem.parts)
    assert text.join_parts(pieces) == completion


@few_examples
@given(answered())
def test_vocabulary_holds_every_word(problem_and_strategies) -> None:
    problem, strategies = problem_and_strategies
    text = SymbolicText()
    words = f"{text.write_prompt(problem)} {write(problem, strategies, text)}".split(" ")
    assert set(words) <= set(text.vocabulary(problem.field.order))


# --- Wrong completions.


def draw_part(data, problem) -> int:
    return data.draw(st.integers(0, len(problem.parts) - 1))


def draw_other(data, value: int, order: int) -> int:
    return (value + data.draw(st.integers(1, order - 1))) % order


@each_text
@few_examples
@given(problem=compositions(), data=st.data())
def test_wrong_result_followed_on_is_wrong_to_the_end(text, problem, data) -> None:
    """All that is written later follows from the wrong result. No step maps two values to one, so it stays wrong."""
    order = problem.field.order
    wrong_part = draw_part(data, problem)
    wrong_step = data.draw(st.integers(1, problem.parts[wrong_part].steps))
    traces = []
    value = find_given(problem.parts[0])
    for number, part in enumerate(problem.parts):
        opening = value
        steps = []
        for place, step in enumerate(STRATEGIES[SUITED[part.kind]](part).steps, 1):
            result = calculate(value, SIGNS[step.operator], step.operand, order)
            if (number, place) == (wrong_part, wrong_step):
                result = draw_other(data, result, order)
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
    part, answer = problem.parts[wrong_part], list(traces[wrong_part].answer)
    answer[part.kind == "evaluation"] = draw_other(data, part.answer, problem.field.order)
    traces[wrong_part] = dataclasses.replace(traces[wrong_part], answer=tuple(answer))
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
    part, answer = problem.parts[wrong_part], list(traces[wrong_part].answer)
    answer[part.kind == "inversion"] = draw_other(data, find_given(part), problem.field.order)
    traces[wrong_part] = dataclasses.replace(traces[wrong_part], answer=tuple(answer))
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
@given(problem=compositions())
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
@given(problem_and_strategies=answered(), data=st.data())
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


def list_scraps(form: str) -> list[str]:
    """Return what random texts are put together from: words of the vocabulary, or lines and parts of lines."""
    if form == "symbolic":
        return [*SymbolicText().vocabulary(11), *(["A", "x", "y"] * 8), "", "<pad>"]
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
        assert text.join_parts(text.split_parts(completion)) == completion
        numbers.add(len(text.split_parts(completion)))
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
            text.read_prompt(GAPS[form].join(words), 11, stream.choice([GF11_FIELD, None]))
