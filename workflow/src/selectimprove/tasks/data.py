"""Data sets as JSON Lines: one problem a line, with everything needed to recompute its answer, and field.json beside.

The splits of all data sets are disjoint by content (see problems.py), so any test split is held out from everything.
"""

import json
from pathlib import Path
from typing import Any

from selectimprove.files import write_json, write_whole
from selectimprove.seeds import random_stream
from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import AnyProblem, Composition, Problem, sample_problems
from selectimprove.tasks.specs import SPLITS, DatasetSpec, DataSpec
from selectimprove.tasks.strategies import SUITED, write_solution
from selectimprove.tasks.texts import TEXT_FORMS

FIELD_FILE = "field.json"
DATA_FILES = (*(f"{split}.jsonl" for split in SPLITS), FIELD_FILE)


def make_rows(spec: DataSpec, split: str) -> list[dict[str, Any]]:
    """Return the rows of one split, JSON-ready; `strategy` and `completion` only where the data set has strategies."""
    dataset, text = spec.dataset, TEXT_FORMS[spec.text]
    rows = []
    for index, problem in enumerate(sample_problems(dataset, spec.field, split, spec.seed, text.label_pool)):
        row = {
            "id": f"{dataset.name}/{split}/{spec.seed}/{index}",
            "kind": problem.kind,
            "steps": problem.steps,
            "field_order": problem.field.order,
            **describe_chain(problem),
            "prompt": text.write_prompt(problem),
            "answer": problem.answer,
        }
        if problem.stated_map:
            row["symbols"] = write_symbols(problem.field)
        if dataset.strategies is not None:
            strategies = choose_strategies(dataset, problem, split, spec.seed, index)
            row["strategy"] = "+".join(strategies)
            row["completion"] = write_solution(problem, strategies, text)
        rows.append(row)
    return rows


def describe_chain(problem: AnyProblem) -> dict[str, Any]:
    """Return the chain of a problem as field elements; that of each part, with its kind, for a composition."""
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


def write_symbols(field: Field) -> dict[str, int]:
    """Return the symbol map as {"e0": element, ...}."""
    return {field.symbol(element): element for element in field.elements}


def write_dataset(spec: DataSpec, folder: Path) -> None:
    """Write train.jsonl, validation.jsonl, test.jsonl and field.json (DATA_FILES) to `folder`."""
    folder = Path(folder)
    for split in SPLITS:
        lines = "".join(json.dumps(row) + "\n" for row in make_rows(spec, split))
        write_whole(folder / f"{split}.jsonl", lambda file, lines=lines: file.write_text(lines, encoding="utf-8"))
    fixed = spec.field.symbol_map == "fixed"
    symbols = write_symbols(Field.shuffled(spec.field.order, spec.seed)) if fixed else None
    write_json(
        folder / FIELD_FILE, {"order": spec.field.order, "symbol_map": spec.field.symbol_map, "symbols": symbols}
    )


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON Lines file, each with its `problem` added.

    Raises ValueError, naming the file and the line, on one that is not a row of a data set.
    """
    _, fixed = read_field(Path(file).parent)
    rows = []
    with Path(file).open("rb") as lines:  # so that bytes that are no text are found line by line, too
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                stated = "symbols" in row
                row["problem"] = build_problem(row, build_field(row["symbols"]) if stated else fixed, stated)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{file}, line {number}: this is not a row of a data set") from error
            rows.append(row)
    return rows


def read_field(folder: Path) -> tuple[int, Field | None]:
    """Return the order of a data set's field, and the field itself; None if each prompt states a map of its own.

    Raises ValueError, naming the file, if it does not describe a field.
    """
    file = Path(folder) / FIELD_FILE
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        return record["order"], build_field(record["symbols"]) if record["symbols"] else None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: this does not describe a field") from error


def build_field(symbols: dict[str, int]) -> Field:
    """Return the field of the symbol map that `write_symbols` wrote."""
    return Field(len(symbols), tuple(symbols[f"e{index}"] for index in range(len(symbols))))


def build_problem(row: dict[str, Any], field: Field, stated_map: bool) -> AnyProblem:
    """Return the problem of a row."""
    if "parts" in row:
        return Composition(tuple(build_problem(part, field, False) for part in row["parts"]), stated_map)
    operations = tuple((operator, operand) for operator, operand in row["operations"])
    return Problem(row["kind"], field, row["start"], operations, row["first_label"], stated_map)
