"""Frozen specifications of the problems: of a task, a data set, and the job that makes one."""

from dataclasses import dataclass
from typing import Any

KINDS = ("evaluation", "inversion")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class TaskSpec:
    """A task with its settings. task: its name, see registry.py; package: the one that has it, if it is another one."""

    task: str
    settings: dict[str, Any]
    package: str | None = None


@dataclass(frozen=True)
class DatasetSpec:
    """A data set of problems of `task`. kinds, strategies: shares that sum to 1; sizes: problems a split.

    parts: lowest and highest number of subproblems of a problem; steps: lowest and highest of a part. strategies may
    also be "suited", each kind answered by the strategy that suits it, or None for RL data, which holds prompts only.
    """

    name: str
    task: str
    parts: tuple[int, int]
    steps: tuple[int, int]
    kinds: dict[str, float]
    strategies: dict[str, float] | str | None
    sizes: dict[str, int]


@dataclass(frozen=True)
class DataSpec:
    """One data job: the three splits of a data set under one seed."""

    dataset: DatasetSpec
    task: TaskSpec
    text: str
    seed: int
    recipe_version: int = 4
