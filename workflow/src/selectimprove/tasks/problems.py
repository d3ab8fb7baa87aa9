"""Evaluation, inversion and composition problems: chains of operations of a task, and their sampling.

A chain is a start value and its operations. Chains of one length are numbered; every run of ten consecutive numbers
gives one chain to validation, one to test and eight to training, chosen by a hash of the run. So the splits of all
data sets, of any size and seed, are disjoint by content: no chain met in training is ever tested, under either kind.
A composition counts as the chain of all its operations, from what its first part is given: its split is that chain's.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from selectimprove.seeds import random_stream
from selectimprove.tasks.registry import make_task
from selectimprove.tasks.specs import KINDS, DatasetSpec, TaskSpec
from selectimprove.tasks.task import Operation, Task, Value

BLOCK = 10
Mark = tuple[int, str]  # of a part of a composition: the label of its first step, and the name it asks for, x or y


@dataclass(frozen=True)
class Problem:
    """One problem: `y` is the end of the chain that starts at `x`; evaluation asks for y, inversion for x.

    first_label: the number that the first step bears in the text; the others follow.
    """

    kind: str
    task: Task
    start: Value
    operations: tuple[Operation, ...]
    first_label: int = 1

    @property
    def steps(self) -> int:
        return len(self.operations)

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """The values along the chain, start to end: steps + 1 of them."""
        values = [self.start]
        for operation in self.operations:
            values.append(self.task.apply(operation, values[-1]))
        return tuple(values)

    @property
    def end(self) -> Value:
        return self.values[-1]

    @property
    def unknown(self) -> str:
        """The name of the value asked for: "y" in evaluation, "x" in inversion."""
        return "y" if self.kind == "evaluation" else "x"

    @property
    def answer(self) -> Value:
        return self.end if self.kind == "evaluation" else self.start

    @property
    def parts(self) -> tuple["Problem", ...]:
        return (self,)

    @property
    def part_marks(self) -> tuple[Mark | None, ...]:
        """The mark of each part of a composition; (None,) for a problem that is none."""
        return (None,)


@dataclass(frozen=True)
class Composition:
    """Evaluation and inversion problems of one task in a row: each but the first is given the answer before it.

    Its answer is that of the last part.
    """

    parts: tuple[Problem, ...]
    kind = "composition"

    @property
    def task(self) -> Task:
        return self.parts[0].task

    @property
    def steps(self) -> int:
        return sum(part.steps for part in self.parts)

    @property
    def part_marks(self) -> tuple[Mark, ...]:
        return tuple((part.first_label, part.unknown) for part in self.parts)

    @property
    def answer(self) -> Value:
        return self.parts[-1].answer


AnyProblem = Problem | Composition


def make_problem(
    kind: str, task: Task, given: Value, operations: tuple[Operation, ...], first_label: int = 1
) -> Problem:
    """Return the problem with this value given: the start of the chain in evaluation, its end in inversion."""
    start = given
    if kind == "inversion":
        for operation in reversed(operations):
            start = task.apply(task.invert(operation), start)
    return Problem(kind, task, start, operations, first_label)


def compose_problems(
    kinds: list[str],
    lengths: list[int],
    task: Task,
    given: Value,
    operations: tuple[Operation, ...],
    first_label: int = 1,
) -> Composition:
    """Return the composition of parts of these kinds and lengths; `operations` are those of all parts in a row."""
    parts = []
    at = 0
    for kind, steps in zip(kinds, lengths, strict=True):
        parts.append(make_problem(kind, task, given, operations[at : at + steps], first_label + at))
        given = parts[-1].answer
        at += steps
    return Composition(tuple(parts))


def count_chains(task: Task, steps: int, split: str) -> int:
    """Return how many distinct chains of `steps` steps of the task the split holds."""
    chains = task.count_chains(steps)
    held_out = chains // BLOCK
    return chains - 2 * held_out if split == "train" else held_out


def _chain_number(task: Task, steps: int, split: str, member: int) -> int:
    """Return the number of the `member`-th chain of the split, 0 <= member < count_chains(task, steps, split)."""
    per_block = BLOCK - 2 if split == "train" else 1
    block, position = divmod(member, per_block)
    if block >= task.count_chains(steps) // BLOCK:  # the last, incomplete block belongs to training
        return BLOCK * block + position
    validation, test = random_stream("split", *task.chain_key, steps, block).sample(range(BLOCK), 2)
    places = {
        "validation": [validation],
        "test": [test],
        "train": [place for place in range(BLOCK) if place not in (validation, test)],
    }[split]
    return BLOCK * block + places[position]


def _decode_chain(task: Task, steps: int, number: int) -> tuple[Value, tuple[Operation, ...]]:
    """Return the (start, operations) with that number."""
    number, start = divmod(number, len(task.values))
    operations = []
    for _ in range(steps):
        number, choice = divmod(number, len(task.operations))
        operations.append(task.operations[choice])
    return task.values[start], tuple(operations)


def count_strata(spec: DatasetSpec, size: int) -> dict[tuple[str, int], int]:
    """Return how many of `size` problems fall on each stratum, numbers of parts evenly.

    A stratum of single problems is (kind, steps): kinds by share, steps evenly within a kind. One of compositions is
    ("composition", parts).
    """
    fewest, most = spec.parts
    numbers = range(fewest, most + 1)
    strata = {}
    for position, parts in enumerate(numbers):
        count = size // len(numbers) + (position < size % len(numbers))
        strata |= _count_single(spec, count) if parts == 1 else {("composition", parts): count}
    return strata


def _count_single(spec: DatasetSpec, size: int) -> dict[tuple[str, int], int]:
    lowest, highest = spec.steps
    lengths = range(lowest, highest + 1)
    # The share of evaluation is rounded once and inversion takes the rest, so that the counts add up to the size.
    evaluations = round(size * spec.kinds["evaluation"])
    counts = {"evaluation": evaluations, "inversion": size - evaluations}
    return {
        (kind, steps): counts[kind] // len(lengths) + (position < counts[kind] % len(lengths))
        for kind in KINDS
        for position, steps in enumerate(lengths)
    }


def check_capacity(spec: DatasetSpec, task: Task) -> None:
    """Raise ValueError if a split asks for more distinct problems of one stratum than the task has."""
    for split, size in spec.sizes.items():
        for (kind, number), count in count_strata(spec, size).items():
            of_parts = kind == "composition"
            available = count_chains(task, number * spec.steps[0] if of_parts else number, split)
            if count > available:
                what = f"compositions of {number} parts" if of_parts else f"{kind} problems of {number} steps"
                raise ValueError(
                    f"datasets.{spec.name}.sizes.{split}: {size} problems take {count} {what}, "
                    f"but of {task.title} only {available} distinct ones exist in this split"
                )


def plan_strata(spec: DatasetSpec, split: str, seed: int) -> list[tuple[str, int]]:
    """Return the stratum of each problem of one split in its order, which is a shuffled one."""
    strata = count_strata(spec, spec.sizes[split]).items()
    plan = list(itertools.chain.from_iterable([stratum] * count for stratum, count in strata))
    random_stream(spec.name, split, seed, "order").shuffle(plan)
    return plan


def sample_problems(
    spec: DatasetSpec, task_spec: TaskSpec, split: str, seed: int, label_pool: int | None
) -> Iterator[AnyProblem]:
    """Yield the problems of one split, without repeats, strata in a shuffled order.

    Problem i is a function of hash(dataset, split, seed, i) and of the problems before it. label_pool: how many step
    labels the text form has, the first one drawn so that all of the problem's fit; None: labels start at 1.

    Raises ValueError if a stratum asks for more problems than exist.
    """
    task = make_task(task_spec, seed)
    check_capacity(spec, task)
    drawn: set[tuple] = set()
    for index, (kind, number) in enumerate(plan_strata(spec, split, seed)):
        stream = random_stream(spec.name, split, seed, index)
        while True:
            kinds, lengths = [kind], [number]
            if kind == "composition":
                kinds = stream.choices(KINDS, [spec.kinds[name] for name in KINDS], k=number)
                lengths = [stream.randint(*spec.steps) for _ in kinds]
            steps = sum(lengths)
            member = stream.randrange(count_chains(task, steps, split))
            key = (*kinds, *lengths, member)
            if key not in drawn:
                break
        drawn.add(key)
        value, operations = _decode_chain(task, steps, _chain_number(task, steps, split, member))
        own = task.vary(spec.name, split, seed, index)
        first_label = stream.randint(1, label_pool - steps + 1) if label_pool else 1
        if kind == "composition":
            yield compose_problems(kinds, lengths, own, value, operations, first_label)
        else:
            yield Problem(kind, own, value, operations, first_label)
