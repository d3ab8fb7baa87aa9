"""Problems: recomputed ends, splits that partition all chains, shares of kinds and lengths, determinism."""

import dataclasses
import itertools
from collections import Counter

import pytest
from generators import LABEL_POOL, problems
from hypothesis import given
from hypothesis import strategies as st
from oracles import run_chain

from selectimprove.tasks.problems import _chain_number, _decode_chain, count_chains, count_strata, sample_problems
from selectimprove.tasks.registry import make_task
from selectimprove.tasks.specs import KINDS, SPLITS, DatasetSpec, TaskSpec


def make_field(order=11, symbol_map="fixed") -> TaskSpec:
    return TaskSpec("field", {"order": order, "symbol_map": symbol_map})


GF11 = make_field()


def make_spec(name="data", steps=(4, 6), evaluation=0.5, size=300, **sizes) -> DatasetSpec:
    kinds = {"evaluation": evaluation, "inversion": 1 - evaluation}
    return DatasetSpec(
        name, "field", (1, 1), steps, kinds, None, {"train": size, "validation": 30, "test": 30, **sizes}
    )


def sample(spec, split="train", seed=0, task=GF11, label_pool=LABEL_POOL) -> list:
    return list(sample_problems(spec, task, split, seed, label_pool))


def contents(sampled) -> set:
    """Return what makes a chain the same chain, whatever its kind, symbols and labels."""
    return {(problem.start, problem.operations) for problem in sampled}


@given(problems())
def test_end_and_values_are_recomputed(problem) -> None:
    ends = [run_chain(problem.start, problem.operations[:k], problem.task) for k in range(problem.steps + 1)]
    assert list(problem.values) == ends
    assert problem.end == ends[-1]
    asked = ("y", ends[-1]) if problem.kind == "evaluation" else ("x", problem.start)
    assert (problem.unknown, problem.answer) == asked


@pytest.mark.parametrize("order", [5, 11, 13, 97])
def test_no_step_adds_zero_or_multiplies_by_zero(order) -> None:
    steps = [step for problem in sample(make_spec(), task=make_field(order)) for step in problem.operations]
    assert {operator for operator, _ in steps} == {"add", "multiply"}
    assert {operand for _, operand in steps} == set(range(1, order))


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("order", [5, 7])
def test_splits_partition_all_chains(order, steps) -> None:
    """Validation, test and training together hold every chain exactly once."""
    task = make_task(make_field(order), 0)
    operations = list(itertools.product(["add", "multiply"], range(1, order)))
    everything = set(itertools.product(range(order), itertools.product(operations, repeat=steps)))
    drawn = []
    for split in SPLITS:
        numbers = [_chain_number(task, steps, split, member) for member in range(count_chains(task, steps, split))]
        drawn += [_decode_chain(task, steps, number) for number in numbers]
    assert len(drawn) == len(everything)
    assert set(drawn) == everything
    held_out = len(everything) // 10
    assert [count_chains(task, steps, split) for split in ("validation", "test")] == [held_out, held_out]


def test_splits_of_all_data_sets_are_disjoint() -> None:
    """Data sets that differ in name, size, seed and shares never meet another split's chains."""
    task = make_field(5)
    found = {split: set() for split in SPLITS}
    for name, seed, share, size in itertools.product(["a", "b"], [0, 1], [0.5, 0.9], [20, 60]):
        spec = make_spec(name, (1, 3), share, train=size, validation=size // 10, test=size // 10)
        for split in SPLITS:
            found[split] |= contents(sample(spec, split, seed, task))
    assert len(found["train"]) > 300
    assert min(len(found["validation"]), len(found["test"])) > 20
    for first, second in itertools.combinations(SPLITS, 2):
        assert not found[first] & found[second]


@pytest.mark.parametrize("split", SPLITS)
def test_no_problem_repeats_within_a_split(split) -> None:
    """Checked where nearly all the chains that exist are drawn."""
    spec = make_spec(steps=(1, 2), train=120, validation=16, test=16)
    sampled = sample(spec, split, task=make_field(5))
    keys = [(problem.kind, problem.start, problem.operations) for problem in sampled]
    assert len(set(keys)) == len(keys) == spec.sizes[split]


@pytest.mark.parametrize("share", [0, 0.5, 0.75, 0.9, 1])
@pytest.mark.parametrize("size", [1, 7, 100, 1023])
def test_kinds_and_lengths_have_their_shares(share, size) -> None:
    """Each kind is within half a problem of its share, each length within one of its kind's mean."""
    spec = make_spec(steps=(3, 6), evaluation=share, size=size)
    counts = Counter((problem.kind, problem.steps) for problem in sample(spec))
    assert counts.total() == size
    for kind, kind_share in (("evaluation", share), ("inversion", 1 - share)):
        lengths = [counts[kind, steps] for steps in range(3, 7)]
        assert abs(sum(lengths) - kind_share * size) <= 0.5 + 1e-9
        assert max(lengths) - min(lengths) <= 1
    assert {steps for _, steps in counts} <= {3, 4, 5, 6}


@given(st.integers(1, 5), st.integers(0, 6), st.floats(0, 1), st.integers(0, 5000))
def test_strata_add_up(lowest, further, share, size) -> None:
    counts = count_strata(make_spec(steps=(lowest, lowest + further), evaluation=share), size)
    assert set(counts) == set(itertools.product(KINDS, range(lowest, lowest + further + 1)))
    assert sum(counts.values()) == size
    assert min(counts.values()) >= 0


def test_same_spec_same_problems() -> None:
    assert sample(make_spec()) == sample(make_spec())


def test_kinds_and_lengths_are_shuffled() -> None:
    start = sample(make_spec())[:40]
    assert {problem.kind for problem in start} == set(KINDS)
    assert {problem.steps for problem in start} == {4, 5, 6}


@pytest.mark.parametrize("change", [{"seed": 1}, {"split": "test"}, {"spec": make_spec("other")}])
def test_other_seed_split_or_name_gives_other_problems(change) -> None:
    """Seeds 0 and 1 share hardly any problem, which Random(seed + i) would get wrong."""
    first, second = sample(make_spec()), sample(**{"spec": make_spec(), **change})
    shared = contents(first) & contents(second)
    assert len(shared) <= 0.02 * len(second)
    assert [problem.kind for problem in first[: len(second)]] != [problem.kind for problem in second]


def test_all_data_sets_draw_from_the_same_splits() -> None:
    sizes = {"train": 4, "validation": 4}
    task = make_field(5)
    half = sample(make_spec("half", (1, 1), 0.5, test=8, **sizes), "test", 0, task)
    whole = sample(make_spec("whole", (1, 1), 1, test=4, **sizes), "test", 7, task)
    assert len(contents(whole)) == 4
    assert contents(half) == contents(whole)


@pytest.mark.parametrize(("split", "available"), [("train", 32), ("validation", 4), ("test", 4)])
def test_capacity_is_exact(split, available) -> None:
    """All problems that exist can be had; one more is an error that says how many there are."""
    task = make_field(5)
    small = {"train": 2, "validation": 2, "test": 2}
    full = make_spec(steps=(1, 1), **{**small, split: 2 * available})
    sampled = sample(full, split, task=task)
    assert Counter(problem.kind for problem in sampled) == {"evaluation": available, "inversion": available}
    assert len(contents(sampled)) == available
    beyond = dataclasses.replace(full, sizes={**full.sizes, split: 2 * available + 1})
    with pytest.raises(ValueError, match=rf"data\.sizes\.{split}.*\bonly {available} distinct"):
        sample(beyond, split, task=task)


def test_labels_fit_the_pool() -> None:
    """First labels take every value that leaves room for the problem's other steps, and no other."""
    firsts = {problem.first_label for problem in sample(make_spec(steps=(6, 6)))}
    assert firsts == set(range(1, LABEL_POOL - 6 + 2))
    assert {problem.first_label for problem in sample(make_spec(), label_pool=None)} == {1}


def test_symbol_map_is_one_per_seed_or_one_per_problem() -> None:
    fixed = {problem.task for seed in (0, 1) for problem in sample(make_spec(), seed=seed)}
    stated = sample(make_spec(), task=make_field(symbol_map="stated"))
    assert len(fixed) == 2
    assert len({problem.task for problem in stated}) == len(stated)
    assert all(problem.task.stated for problem in stated)
