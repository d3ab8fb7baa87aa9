"""Frozen specifications of the problems: of a field, a data set, and the job that makes one."""

from dataclasses import dataclass

KINDS = ("evaluation", "inversion")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class FieldSpec:
    """GF(order); symbol_map: "fixed" for a seed, or "per_problem" and stated in each prompt."""

    order: int
    symbol_map: str


@dataclass(frozen=True)
class DatasetSpec:
    """A data set over `field`. kinds, strategies: shares that sum to 1; sizes: problems a split.

    parts: lowest and highest number of subproblems of a problem; steps: lowest and highest of a part. strategies may
    also be "suited", each kind answered by the strategy that suits it, or None for RL data, which holds prompts only.
    """

    name: str
    field: str
    parts: tuple[int, int]
    steps: tuple[int, int]
    kinds: dict[str, float]
    strategies: dict[str, float] | str | None
    sizes: dict[str, int]


@dataclass(frozen=True)
class DataSpec:
    """One data job: the three splits of a data set under one seed."""

    dataset: DatasetSpec
    field: FieldSpec
    text: str
    seed: int
    recipe_version: int = 3
