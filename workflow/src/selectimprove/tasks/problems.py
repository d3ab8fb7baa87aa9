"""Evaluation, inversion and composition problems: chains of Add and Multiply steps over GF(p), and their sampling.

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
from selectimprove.tasks.field import INVERSE_OPERATORS, Field, apply_operator
from selectimprove.tasks.specs import KINDS, DatasetSpec, FieldSpec

Operation = tuple[str, int]
BLOCK = 10


@dataclass(frozen=True)
class Problem:
    """One problem: `y` is the end of the chain that starts at `x`; evaluation asks for y, inversion for x.

    start, operands: field elements (integers below the order). first_label: the number that the first step bears in
    the text; the others follow. stated_map: whether the prompt states the symbol map.
    """

    kind: str
    field: Field
    start: int
    operations: tuple[Operation, ...]
    first_label: int = 1
    stated_map: bool = False

    @property
    def steps(self) -> int:
        return len(self.operations)

    @cached_property
    def values(self) -> tuple[int, ...]:
        """The values along the chain, start to end: steps + 1 of them."""
        values = [self.start]
        for operator, operand in self.operations:
            values.append(apply_operator(operator, values[-1], operand, self.field.order))
        return tuple(values)

    @property
    def end(self) -> int:
        return self.values[-1]

    @property
    def unknown(self) -> str:
        """The name of the value asked for: "y" in evaluation, "x" in inversion."""
        return "y" if self.kind == "evaluation" else "x"

    @property
    def answer(self) -> int:
        return self.end if self.kind == "evaluation" else self.start

    @property
    def parts(self) -> tuple["Problem", ...]:
        return (self,)

    @property
    def part_labels(self) -> tuple[int | None, ...]:
        """The label of the first step of each part of a composition; (None,) for a problem that is none."""
        return (None,)


@dataclass(frozen=True)
class Composition:
    """Evaluation and inversion problems over one field in a row: each but the first is given the answer before it.

    Its answer is that of the last part. stated_map: whether the prompt states the symbol map, once.
    """

    parts: tuple[Problem, ...]
    stated_map: bool = False
    kind = "composition"

    @property
    def field(self) -> Field:
        return self.parts[0].field

    @property
    def steps(self) -> int:
        return sum(part.steps for part in self.parts)

    @property
    def part_labels(self) -> tuple[int, ...]:
        return tuple(part.first_label for part in self.parts)

    @property
    def answer(self) -> int:
        return self.parts[-1].answer


AnyProblem = Problem | Composition


def make_problem(
    kind: str, field: Field, given: int, operations: tuple[Operation, ...], first_label: int = 1, stated: bool = False
) -> Problem:
    """Return the problem with this value given: the start of the chain in evaluation, its end in inversion."""
    start = given
    if kind == "inversion":
        for operator, operand in reversed(operations):
            start = apply_operator(INVERSE_OPERATORS[operator], start, operand, field.order)
    return Problem(kind, field, start, operations, first_label, stated)


def compose_problems(
    kinds: list[str],
    lengths: list[int],
    field: Field,
    given: int,
    operations: tuple[Operation, ...],
    first_label: int = 1,
    stated: bool = False,
) -> Composition:
    """Return the composition of parts of these kinds and lengths; `operations` are those of all parts in a row."""
    parts = []
    at = 0
    for kind, steps in zip(kinds, lengths, strict=True):
        parts.append(make_problem(kind, field, given, operations[at : at + steps], first_label + at))
        given = parts[-1].answer
        at += steps
    return Composition(tuple(parts), stated)


def count_chains(order: int, steps: int, split: str) -> int:
    """Return how many distinct chains of `steps` steps over GF(order) the split holds."""
    chains = order * (2 * (order - 1)) ** steps
    held_out = chains // BLOCK
    return chains - 2 * held_out if split == "train" else held_out


def _chain_number(order: int, steps: int, split: str, member: int) -> int:
    """Return the number of the `member`-th chain of the split, 0 <= member < count_chains(order, steps, split)."""
    per_block = BLOCK - 2 if split == "train" else 1
    block, position = divmod(member, per_block)
    if block >= order * (2 * (order - 1)) ** steps // BLOCK:  # the last, incomplete block belongs to training
        return BLOCK * block + position
    validation, test = random_stream("split", order, steps, block).sample(range(BLOCK), 2)
    places = {
        "validation": [validation],
        "test": [test],
        "train": [place for place in range(BLOCK) if place not in (validation, test)],
    }[split]
    return BLOCK * block + places[position]


def _decode_chain(order: int, steps: int, number: int) -> tuple[int, tuple[Operation, ...]]:
    """Return the (start, operations) with that number; no step adds zero or multiplies by zero."""
    number, start = divmod(number, order)
    operations = []
    for _ in range(steps):
        number, choice = divmod(number, 2 * (order - 1))
        operator, operand = divmod(choice, order - 1)
        operations.append((("add", "multiply")[operator], operand + 1))
    return start, tuple(operations)


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


def check_capacity(spec: DatasetSpec, order: int) -> None:
    """Raise ValueError if a split asks for more distinct problems of one stratum than GF(order) has."""
    for split, size in spec.sizes.items():
        for (kind, number), count in count_strata(spec, size).items():
            of_parts = kind == "composition"
            available = count_chains(order, number * spec.steps[0] if of_parts else number, split)
            if count > available:
                what = f"compositions of {number} parts" if of_parts else f"{kind} problems of {number} steps"
                raise ValueError(
                    f"datasets.{spec.name}.sizes.{split}: {size} problems take {count} {what}, "
                    f"but over GF({order}) only {available} distinct ones exist in this split"
                )


def plan_strata(spec: DatasetSpec, split: str, seed: int) -> list[tuple[str, int]]:
    """Return the stratum of each problem of one split in its order, which is a shuffled one."""
    strata = count_strata(spec, spec.sizes[split]).items()
    plan = list(itertools.chain.from_iterable([stratum] * count for stratum, count in strata))
    random_stream(spec.name, split, seed, "order").shuffle(plan)
    return plan


def sample_problems(
    spec: DatasetSpec, field_spec: FieldSpec, split: str, seed: int, label_pool: int | None
) -> Iterator[AnyProblem]:
    """Yield the problems of one split, without repeats, strata in a shuffled order.

    Problem i is a function of hash(dataset, split, seed, i) and of the problems before it. label_pool: how many step
    labels the text form has, the first one drawn so that all of the problem's fit; None: labels start at 1.

    Raises ValueError if a stratum asks for more problems than exist.
    """
    check_capacity(spec, field_spec.order)
    order = field_spec.order
    per_problem = field_spec.symbol_map == "per_problem"
    fixed_field = Field.shuffled(order, seed)
    drawn: set[tuple] = set()
    for index, (kind, number) in enumerate(plan_strata(spec, split, seed)):
        stream = random_stream(spec.name, split, seed, index)
        while True:
            kinds, lengths = [kind], [number]
            if kind == "composition":
                kinds = stream.choices(KINDS, [spec.kinds[name] for name in KINDS], k=number)
                lengths = [stream.randint(*spec.steps) for _ in kinds]
            steps = sum(lengths)
            member = stream.randrange(count_chains(order, steps, split))
            key = (*kinds, *lengths, member)
            if key not in drawn:
                break
        drawn.add(key)
        value, operations = _decode_chain(order, steps, _chain_number(order, steps, split, member))
        field = Field.shuffled(order, spec.name, split, seed, index) if per_problem else fixed_field
        first_label = stream.randint(1, label_pool - steps + 1) if label_pool else 1
        if kind == "composition":
            yield compose_problems(kinds, lengths, field, value, operations, first_label, per_problem)
        else:
            yield Problem(kind, field, value, operations, first_label, per_problem)
