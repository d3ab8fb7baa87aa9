"""Compositions as data: answers recomputed from the prompts alone, shares of kinds and lengths, splits by content."""

import itertools
import json
import math
import re
from collections import Counter

import pytest
from composition_samples import find_content, split_prompt
from generators import LABEL_POOL
from oracles import run_chain, solve_prompt

from selectimprove.tasks.data import make_rows, read_rows, write_dataset
from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import check_capacity, count_strata, sample_problems
from selectimprove.tasks.rewards import verify_completion
from selectimprove.tasks.specs import KINDS, SPLITS, DatasetSpec, DataSpec, TaskSpec
from selectimprove.tasks.strategies import STRATEGIES, read_completion
from selectimprove.tasks.texts import TEXT_FORMS

HALVES = {"forward": 0.5, "backward": 0.5}
GF5, GF11, STATED = (
    TaskSpec("field", {"order": order, "symbol_map": symbol_map})
    for order, symbol_map in ((5, "fixed"), (11, "fixed"), (11, "stated"))
)
SMALL = {"train": 1, "validation": 1, "test": 1}


def make_spec(
    parts=(2, 4), steps=(1, 3), evaluation=0.5, strategies=None, name="data", size=200, **sizes
) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        task="field",
        parts=parts,
        steps=steps,
        kinds={"evaluation": evaluation, "inversion": 1 - evaluation},
        strategies=strategies,
        sizes={"train": size, "validation": 30, "test": 40, **sizes},
    )


def sample(spec, split="train", seed=0, task=GF11, label_pool=LABEL_POOL) -> list:
    return list(sample_problems(spec, task, split, seed, label_pool))


VARIANTS = list(itertools.product([5, 11], ["fixed", "stated"], TEXT_FORMS))


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join(map(str, variant)), scope="module")
def written(request, tmp_path_factory):
    """A data set of one to four parts on disk: its spec, folder, and rows with the symbol map of each."""
    order, symbol_map, text = request.param
    dataset = make_spec((1, 4), (2, 4), strategies="suited", size=160)
    task = TaskSpec("field", {"order": order, "symbol_map": symbol_map})
    spec, folder = DataSpec(dataset, task, text, 3), tmp_path_factory.mktemp("data")
    write_dataset(spec, folder)
    fixed = json.loads((folder / "task.json").read_text())
    lines = [line for split in SPLITS for line in (folder / f"{split}.jsonl").read_text().splitlines()]
    rows = [json.loads(line) for line in lines]
    return (
        spec,
        folder,
        [(row, row["symbols"] if symbol_map == "stated" else fixed["hidden"]["symbols"]) for row in rows],
    )


def build_field(symbols: dict[str, int]) -> Field:
    return Field(len(symbols), tuple(symbols[f"e{index}"] for index in range(len(symbols))))


def test_every_answer_follows_from_the_prompt_alone(written) -> None:
    """Also the answers in between, which must be what the parts in the file say."""
    spec, _, rows = written
    assert len(rows) == 160 + 30 + 40
    assert {len(row.get("parts", "1")) for row, _ in rows} == {1, 2, 3, 4}
    for row, symbols in rows:
        assert sorted(symbols.values()) == list(range(len(symbols)))
        answers = solve_prompt(row["prompt"], build_field(symbols), spec.text)
        assert answers[-1] == row["answer"]
        told = [part["end" if part["kind"] == "evaluation" else "start"] for part in row.get("parts", [row])]
        assert answers == told


def test_prompts_state_the_map_once_or_not_at_all(written) -> None:
    spec, _, rows = written
    for row, symbols in rows:
        if spec.text != "sentences":
            stated = re.match(r"M((?: e\d+ \d+)*) [xy]", row["prompt"])
            pairs = re.findall(r"(e\d+) (\d+)", stated[1]) if stated else []
        else:
            pairs = re.findall(r"(e\d+) = (\d+)", row["prompt"])
        stated_map = symbols if spec.task.settings["symbol_map"] == "stated" else {}
        assert pairs == [(symbol, str(element)) for symbol, element in stated_map.items()]


def test_each_part_but_the_first_is_given_the_answer_before_it(written) -> None:
    """Read from the file, whose chains are recomputed."""
    spec, _, rows = written
    compositions = [row for row, _ in rows if row["kind"] == "composition"]
    field = Field.shuffled(spec.task.settings["order"], 0)
    assert len(compositions) > 150
    for row in compositions:
        assert row["steps"] == sum(len(part["operations"]) for part in row["parts"])
        before = None
        for part in row["parts"]:
            assert part["end"] == run_chain(part["start"], part["operations"], field)
            known, answer = ("start", "end") if part["kind"] == "evaluation" else ("end", "start")
            assert before in (None, part[known])
            before = part[answer]


def test_suited_parts_are_written_in_the_strategy_of_their_kind(written) -> None:
    """Forward openings name x, backward ones y; each part of a completion gives its answer."""
    spec, _, rows = written
    symbolic = r"(?:^|L\d+ \? [xy] )([xy]) e\d+ (?:\d+ )?L"
    opening = re.compile(r"(?m)^([xy]) = " if spec.text == "sentences" else symbolic)
    for row, symbols in rows:
        kinds = [part["kind"] for part in row.get("parts", [row])]
        strategies = [{"evaluation": "forward", "inversion": "backward"}[kind] for kind in kinds]
        assert row["strategy"] == "+".join(strategies)
        lines = re.findall(r"(?:A|Answer:) x (?:= )?(e\d+),? y (?:= )?(e\d+)(?:\s|$)", row["completion"])
        asked = [0 if strategy == "backward" else 1 for strategy in strategies]
        answers = [symbols[line[place]] for line, place in zip(lines, asked, strict=True)]
        assert answers == solve_prompt(row["prompt"], build_field(symbols), spec.text)
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
        expected = list(sample_problems(spec.dataset, spec.task, split, 3, pool))
        assert [row["problem"] for row in read_rows(folder / f"{split}.jsonl")] == expected
    assert [row for split in SPLITS for row in make_rows(spec, split)] == [row for row, _ in rows]


def test_prompts_of_a_data_set_are_read_back(written) -> None:
    spec, folder, _ = written
    for row in read_rows(folder / "train.jsonl"):
        assert TEXT_FORMS[spec.text].read_prompt(row["prompt"], row["problem"].task) == row["problem"]


def test_labels_follow_one_another_over_the_parts(written) -> None:
    """In the prompt; drawn from the pool where the text form has one, else from 1."""
    spec, _, rows = written
    firsts, lasts = set(), set()
    for row, _ in rows:
        labels = [int(label) for _, _, steps in split_prompt(row["prompt"], spec.text) for label, _, _ in steps]
        assert labels == list(range(labels[0], labels[0] + row["steps"]))
        firsts.add(labels[0])
        lasts.add(labels[-1])
    if spec.text != "sentences":
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
    sampled = sample(make_spec((2, 2), (1, 1), share, **chains), split, task=GF5)
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
    fixed = {part.task for seed in (0, 1) for problem in sample(make_spec(), seed=seed) for part in problem.parts}
    stated = sample(make_spec(), task=STATED)
    assert len(fixed) == 2
    assert len({problem.task for problem in stated}) == len(stated)
    for problem in stated:
        assert problem.task.stated
        assert {part.task for part in problem.parts} == {problem.task}


@pytest.mark.parametrize(("split", "available"), [("train", 256), ("validation", 32), ("test", 32)])
def test_too_many_compositions_are_refused(split, available) -> None:
    """As many as there are chains of the shortest compositions, and not one more."""
    check_capacity(make_spec((2, 3), (1, 2), **{**SMALL, split: 2 * available}), Field.shuffled(5, 0))
    beyond = make_spec((2, 3), (1, 2), **{**SMALL, split: 2 * available + 1})
    message = (
        rf"^datasets\.data\.sizes\.{split}: {2 * available + 1} problems take {available + 1} compositions of 2 parts, "
        rf"but of GF\(5\) only {available} distinct"
    )
    for refuse in (check_capacity, lambda spec, _: sample(spec, task=GF5)):
        with pytest.raises(ValueError, match=message):
            refuse(beyond, Field.shuffled(5, 0))


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
