"""Every task by one skeleton: operations, writing and data, held against the oracle of each."""

import itertools
import json
import random

import pytest
from composition_samples import pays
from cups_package import CUPS, install_cups
from generators import mutations
from hypothesis import given
from hypothesis import strategies as st
from oracles import calculate, run_chain, solve_prompt, spell

from selectimprove.tasks.data import read_rows, write_dataset
from selectimprove.tasks.problems import Problem, _chain_number, _decode_chain, count_chains
from selectimprove.tasks.registry import check_task, find_package, find_task, make_task
from selectimprove.tasks.rewards import verify_completion
from selectimprove.tasks.specs import SPLITS, DatasetSpec, DataSpec, TaskSpec
from selectimprove.tasks.strategies import STRATEGIES, read_completion, write_solution
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.tasks.texts import TEXT_FORMS

SPECS = {
    "field": TaskSpec("field", {"order": 11, "symbol_map": "fixed"}),
    "stated field": TaskSpec("field", {"order": 5, "symbol_map": "stated"}),
    "programs": TaskSpec("programs", {"length": 3, "letters": 5}),
    "programs of four letters": TaskSpec("programs", {"length": 4, "letters": 4}),
    "a task of a package": TaskSpec("cups", {"cups": 7}, "cups 1.0"),
}


@pytest.fixture(autouse=True, scope="module")
def _installed(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(install_cups(tmp_path_factory.mktemp("site")))
        yield


@pytest.fixture(params=SPECS.values(), ids=SPECS, scope="module")
def spec(request, _installed):
    return request.param


@pytest.fixture
def task(spec):
    return make_task(spec, 3)


def test_task_is_found_with_the_package_that_has_it(spec) -> None:
    assert issubclass(find_task(spec.task), type(make_task(spec, 0)))
    assert find_package(spec.task) == spec.package


def test_the_example_is_short_and_docs_show_what_it_writes() -> None:
    """In docs/add-a-task.md, to the letter."""
    cups = make_task(TaskSpec("cups", {"cups": 7}))
    problem = Problem("evaluation", cups, 3, (("swap", 1, 3), ("swap", 2, 7), ("swap", 1, 2)), 7)
    text = TEXT_FORMS["symbolic"]
    written = f"```\n{text.write_prompt(problem)}\n{write_solution(problem, ['forward'], text)}\n```"
    assert written in (CUPS.parents[2] / "docs/add-a-task.md").read_text()
    assert len((CUPS / "cups.py").read_text().splitlines()) < 80


def test_task_is_in_order(task) -> None:
    check_task(task)


def test_operations_and_their_inverses_agree_with_the_oracle(task) -> None:
    effects = set()
    for operation in task.operations:
        results = [task.apply(operation, value) for value in task.values]
        assert results == [calculate(operation, value, task) for value in task.values]
        assert sorted(results) == sorted(task.values)
        undone = [calculate(task.invert(operation), result, task) for result in results]
        assert undone == list(task.values)
        assert [task.apply(task.invert(operation), result) for result in results] == undone
        effects.add(tuple(results))
    assert len(effects) == len(task.operations)


def test_values_and_operations_are_written_each_in_its_way(task) -> None:
    for form, text in TEXT_FORMS.items():
        written = [text.write_value(value, task) for value in task.values]
        assert written == [spell(value, task, form) for value in task.values]
        assert len(set(written)) == len(written)
    for value in task.values:
        assert task.value_notation.read(task.write_value(value)) == value
    for operation in task.written_operations:
        assert task.operation_notation.read(task.write_operation(operation)) == operation
    vocabulary = SymbolicText().vocabulary(task)
    assert len(set(vocabulary)) == len(vocabulary)


def test_what_is_written_otherwise_is_not_read(task) -> None:
    for written in ("", " ", task.write_value(task.values[0]) + " ", task.write_value(task.values[0]).upper(), "?"):
        assert task.value_notation.read(written) is None
        assert task.operation_notation.read(written) is None


@pytest.mark.parametrize("steps", [1, 2])
def test_splits_partition_all_chains(task, steps) -> None:
    """Each chain is in one split, once."""
    total = task.count_chains(steps)
    assert total == len(task.values) * len(task.operations) ** steps
    assert sum(count_chains(task, steps, split) for split in SPLITS) == total
    drawn = [
        _decode_chain(task, steps, _chain_number(task, steps, split, member))
        for split in SPLITS
        for member in range(count_chains(task, steps, split))
    ]
    everything = itertools.product(task.values, itertools.product(task.operations, repeat=steps))
    assert len(drawn) == total
    assert set(drawn) == set(everything)


@pytest.fixture(params=itertools.product(TEXT_FORMS, [(1, 1), (2, 3)]), ids=str, scope="module")
def written(request, spec, tmp_path_factory):
    """A data set on disk: its spec and folder, for each task and text form, of single problems and of compositions."""
    form, parts = request.param
    halves = {"evaluation": 0.5, "inversion": 0.5}
    strategies = {"forward": 0.5, "backward": 0.5}
    sizes = {"train": 60, "validation": 10, "test": 20}
    dataset = DatasetSpec("data", "task", parts, (2, 4), halves, strategies, sizes)
    folder = tmp_path_factory.mktemp("data")
    write_dataset(DataSpec(dataset, spec, form, 3), folder)
    return DataSpec(dataset, spec, form, 3), folder


def load_rows(folder, split) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]


def test_answers_follow_from_the_prompt_alone_and_from_the_chain_alone(written) -> None:
    spec, folder = written
    for split in SPLITS:
        for row, read in zip(load_rows(folder, split), read_rows(folder / f"{split}.jsonl"), strict=True):
            task = read["problem"].task
            answers = solve_prompt(row["prompt"], task, spec.text)
            parts = row.get("parts", [row])
            assert answers[-1] == row["answer"]
            assert answers == [part["end" if part["kind"] == "evaluation" else "start"] for part in parts]
            assert all(part["end"] == run_chain(part["start"], part["operations"], task) for part in parts)
            assert TEXT_FORMS[spec.text].read_prompt(row["prompt"], task) == read["problem"]


def test_completions_are_right_and_paid(written) -> None:
    spec, folder = written
    text = TEXT_FORMS[spec.text]
    for row in read_rows(folder / "train.jsonl"):
        reading = read_completion(row["completion"], row["problem"], text)
        assert (reading.correct, reading.answer, reading.failure) == (True, row["answer"], None)
        strategies = set(row["strategy"].split("+"))
        assert reading.strategy == (strategies.pop() if len(strategies) == 1 else "mixed")
        assert verify_completion(row["completion"], row["problem"], text) == 1
        assert pays(row["completion"], row["problem"], spec.text)
        assert text.count_words(row["problem"].task, 2, len(row["problem"].parts)) <= len(row["completion"].split())
        words = {*f"{row['prompt']} {row['completion']}".split(" ")}
        assert spec.text == "sentences" or words <= {*text.vocabulary(row["problem"].task)}


def test_wrong_answers_are_not_paid(written) -> None:
    """Each other value in the last answer line, behind a trace that is right."""
    spec, folder = written
    text = TEXT_FORMS[spec.text]
    for row in read_rows(folder / "test.jsonl"):
        problem = row["problem"]
        task, last = problem.task, problem.parts[-1]
        stream = random.Random(row["id"])
        for value in stream.sample([value for value in task.values if value != problem.answer], 3):
            turned = (value, last.end) if last.unknown == "x" else (last.start, value)
            right, wrong = (
                text.join_parts([f"{name} {spell(end, task, spec.text)}" for name, end in zip("xy", ends, strict=True)])
                for ends in ((last.start, last.end), turned)
            )
            completion = row["completion"]
            if spec.text == "sentences":
                right, wrong = (
                    words.replace("\n", ", ").replace("x ", "x = ").replace("y ", "y = ") for words in (right, wrong)
                )
            assert completion.endswith(right)
            completion = completion.removesuffix(right) + wrong
            assert verify_completion(completion, problem, text) == 0 == pays(completion, problem, spec.text)


@given(data=st.data(), number=st.integers(0, 19), strategy=st.sampled_from(list(STRATEGIES)))
def test_edited_completions_are_paid_for_their_answer_lines_alone(written, data, number, strategy) -> None:
    spec, folder = written
    text = TEXT_FORMS[spec.text]
    problem = read_rows(folder / "test.jsonl")[number]["problem"]
    completion = data.draw(mutations(write_solution(problem, [strategy] * len(problem.parts), text)))
    reading = read_completion(completion, problem, text)
    assert verify_completion(completion, problem, text) == pays(completion, problem, spec.text) == reading.correct


def test_same_spec_same_bytes_and_no_chain_in_two_splits(written, tmp_path) -> None:
    spec, folder = written
    write_dataset(spec, tmp_path)
    for file in folder.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    splits = [
        {
            json.dumps([row[key] for key in ("parts", "start", "operations") if key in row])
            for row in load_rows(folder, split)
        }
        for split in SPLITS
    ]
    assert sum(map(len, splits)) == len(set.union(*splits))
