"""Data sets as JSON Lines: one problem a line, with everything needed to recompute its answer, and field.json beside.

The splits of all data sets are disjoint by content (see problems.py), so any test split is held out from everything.
"""

import json
from pathlib import Path
from typing import Any

from selectimprove.field import Field
from selectimprove.problems import Problem, sample_problems
from selectimprove.provenance import write_json, write_whole
from selectimprove.seeds import random_stream
from selectimprove.specs import SPLITS, DataSpec
from selectimprove.strategies import STRATEGIES
from selectimprove.texts import TEXT_FORMS

FIELD_FILE = "field.json"


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
            "start": problem.start,
            "operations": [list(operation) for operation in problem.operations],
            "end": problem.end,
            "first_label": problem.first_label,
            "prompt": text.write_prompt(problem),
            "answer": problem.answer,
        }
        if problem.stated_map:
            row["symbols"] = write_symbols(problem.field)
        if dataset.strategies is not None:
            stream = random_stream(dataset.name, split, spec.seed, index, "strategy")
            names = sorted(dataset.strategies)  # the order of a mapping must not matter
            strategy = stream.choices(names, [dataset.strategies[name] for name in names])[0]
            row["strategy"] = strategy
            row["completion"] = text.write_completion(STRATEGIES[strategy](problem), problem.field)
        rows.append(row)
    return rows


def write_symbols(field: Field) -> dict[str, int]:
    """Return the symbol map as {"e0": element, ...}."""
    return {field.symbol(element): element for element in field.elements}


def write_dataset(spec: DataSpec, folder: Path) -> None:
    """Write train.jsonl, validation.jsonl, test.jsonl and field.json to `folder`."""
    folder = Path(folder)
    for split in SPLITS:
        lines = "".join(json.dumps(row) + "\n" for row in make_rows(spec, split))
        write_whole(folder / f"{split}.jsonl", lambda file, lines=lines: file.write_text(lines))
    fixed = spec.field.symbol_map == "fixed"
    symbols = write_symbols(Field.shuffled(spec.field.order, spec.seed)) if fixed else None
    write_json(
        folder / FIELD_FILE, {"order": spec.field.order, "symbol_map": spec.field.symbol_map, "symbols": symbols}
    )


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON Lines file, each with its `problem` added."""
    fixed = json.loads((Path(file).parent / FIELD_FILE).read_text())
    rows = []
    with Path(file).open() as lines:
        for line in lines:
            row = json.loads(line)
            symbols = row.get("symbols", fixed["symbols"])
            row["problem"] = Problem(
                kind=row["kind"],
                field=Field(fixed["order"], tuple(symbols[f"e{index}"] for index in range(fixed["order"]))),
                start=row["start"],
                operations=tuple((operator, operand) for operator, operand in row["operations"]),
                first_label=row["first_label"],
                stated_map="symbols" in row,
            )
            rows.append(row)
    return rows
