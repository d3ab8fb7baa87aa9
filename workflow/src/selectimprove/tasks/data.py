"""Data sets as JSON Lines: one problem a line, with everything needed to recompute its answer, and task.json beside.

The splits of all data sets are disjoint by content (see problems.py), so any test split is held out from everything.
"""

import json
from pathlib import Path
from typing import Any

from selectimprove.files import write_json, write_string
from selectimprove.seeds import random_stream
from selectimprove.tasks.problems import AnyProblem, Composition, Problem, sample_problems
from selectimprove.tasks.registry import find_task, make_task
from selectimprove.tasks.specs import SPLITS, DatasetSpec, DataSpec, TaskSpec
from selectimprove.tasks.strategies import SUITED, write_solution
from selectimprove.tasks.task import Task
from selectimprove.tasks.texts import TEXT_FORMS

TASK_FILE = "task.json"
DATA_FILES = (*(f"{split}.jsonl" for split in SPLITS), TASK_FILE)


def make_rows(spec: DataSpec, split: str) -> list[dict[str, Any]]:
    """Return the rows of one split, JSON-ready; `strategy` and `completion` only where the data set has strategies."""
    dataset, text = spec.dataset, TEXT_FORMS[spec.text]
    rows = []
    for index, problem in enumerate(sample_problems(dataset, spec.task, split, spec.seed, text.label_pool)):
        row = {
            "id": f"{dataset.name}/{split}/{spec.seed}/{index}",
            "kind": problem.kind,
            "steps": problem.steps,
            **problem.task.describe_row(),
            **describe_chain(problem),
            "prompt": text.write_prompt(problem),
            "answer": problem.answer,
        }
        if problem.task.stated:
            row |= problem.task.record()
        if dataset.strategies is not None:
            strategies = choose_strategies(dataset, problem, split, spec.seed, index)
            row["strategy"] = "+".join(strategies)
            row["completion"] = write_solution(problem, strategies, text)
        rows.append(row)
    return rows


def describe_chain(problem: AnyProblem) -> dict[str, Any]:
    """Return the chain of a problem as values; that of each part, with its kind, for a composition."""
    if isinstance(problem, Composition):
        return {"parts": [{"kind": part.kind, **describe_chain(part)} for part in problem.parts]}
    return {
        "start": problem.start,
        "operations": [list(operation) for operation in problem.operations],
        "end": problem.end,
        "first_label": problem.first_label,
    }


def choose_strategies(dataset: DatasetSpec, problem: AnyProblem, split: str, seed: int, index: int) -> list[str]:
    """Return the strategy in which each part of problem `index` is answered."""
    if dataset.strategies == "suited":
        return [SUITED[part.kind] for part in problem.parts]
    stream = random_stream(dataset.name, split, seed, index, "strategy")
    names = sorted(dataset.strategies)  # the order of a mapping must not matter
    return stream.choices(names, [dataset.strategies[name] for name in names], k=len(problem.parts))


def write_dataset(spec: DataSpec, folder: Path) -> None:
    """Write train.jsonl, validation.jsonl, test.jsonl and task.json (DATA_FILES) to `folder`."""
    folder = Path(folder)
    for split in SPLITS:
        lines = "".join(json.dumps(row) + "\n" for row in make_rows(spec, split))
        write_string(folder / f"{split}.jsonl", lines)
    task = make_task(spec.task, spec.seed)
    hidden = None if task.stated else task.record()
    write_json(folder / TASK_FILE, {"task": spec.task.task, "settings": spec.task.settings, "hidden": hidden})


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON Lines file, each with its `problem` added.

    Raises ValueError, naming the file and the line, on one that is not a row of a data set.
    """
    spec, task = read_task(Path(file).parent)
    rows = []
    with Path(file).open("rb") as lines:  # so that bytes that are no text are found line by line, too
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                row["problem"] = build_problem(row, restore_task(spec, row) if task.stated else task)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{file}, line {number}: this is not a row of a data set") from error
            rows.append(row)
    return rows


def read_task(folder: Path) -> tuple[TaskSpec, Task]:
    """Return the task of a data set, and its spec; where each prompt states what is hidden, any of those.

    Raises ValueError, naming the file, if there is none or if it does not describe a task.
    """
    file = Path(folder) / TASK_FILE
    if not file.is_file():
        raise ValueError(f"{file}: there is no such file; data sets of older versions lack it, make them again")
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        spec = TaskSpec(record["task"], record["settings"])
        return spec, make_task(spec, 0) if record["hidden"] is None else restore_task(spec, record["hidden"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: this does not describe a task ({error})") from error


def restore_task(spec: TaskSpec, record: dict[str, Any]) -> Task:
    """Return the task whose hidden part was recorded so."""
    return find_task(spec.task).restore(spec.settings, record)


def build_problem(row: dict[str, Any], task: Task) -> AnyProblem:
    """Return the problem of a row."""
    if "parts" in row:
        return Composition(tuple(build_problem(part, task) for part in row["parts"]))
    return Problem(row["kind"], task, row["start"], tuple(map(tuple, row["operations"])), row["first_label"])
