"""The report: one HTML file with claims, tables, figures, sampled completions, settings and provenance of a preset.

It opens offline, from disk, since images and data are inside it; the same inputs and code give the same bytes.
"""

import base64
import json
import re
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from selectimprove.experiment.experiment import KEY_SETTINGS
from selectimprove.experiment.specs import ReportSpec
from selectimprove.files import write_json, write_string
from selectimprove.measurement.analysis import select_last
from selectimprove.measurement.claims import COLUMNS, LEAST_ANSWERED
from selectimprove.measurement.markdown import split_rows
from selectimprove.measurement.scores import read_scores
from selectimprove.presentation.marking import mark_completion
from selectimprove.provenance.records import RECORD, digest_file, digest_inputs, find_commit, make_record
from selectimprove.tasks.data import read_rows
from selectimprove.tasks.texts import TEXT_FORMS

VERDICTS = ("reproduced", "not reproduced", "inconclusive")
CELL = ["run", "checkpoint_step", "kind", "steps", "correct"]
MOST_IN_A_CELL = 4
MOST_COMPLETIONS = 4000  # about 3 MB
FAILURE_WORDS = {
    "wrong_opening": "opens with a wrong value",
    "stopped_early": "stops before the last step",
    "lost_place": "loses its place in the chain",
    "wrong_fact": "gets the result of a step wrong",
    "wrong_answer": "gives a wrong value in its answer line",
    "no_answer": "has no whole answer line",
}


def render_report(
    spec: ReportSpec,
    figures: list[Path],
    tables: list[Path],
    claims: Path | None,
    scores: Path,
    tests: list[Path],
    template: Path,
    output: Path,
) -> None:
    """Write the report, and beside it, as JSON of the same stem, the record of what it was made from.

    figures, tables: PNG and Markdown files; claims: CSV of their verdicts, None for a preset that checks none; the
    sidecars lie beside these. scores: the score table of the preset; tests: test.jsonl of the data sets of its suites.
    The checkpoints that the scores name must be there too, for their provenance records.

    Raises FileNotFoundError on a missing input, and ValueError on one that is incomplete or does not fit the others.
    """
    names = {name for name, _, _ in (*spec.figures, *spec.tables)}
    others = [*([claims] if claims else []), scores, *tests]
    inputs = digest_inputs(*figures, *tables, *others)
    table_of_scores = read_scores([scores])
    problems = {row["id"]: row for file in tests for row in read_rows(file)}
    sample = choose_completions(table_of_scores)
    folders = select_last(table_of_scores)["checkpoint"].unique()
    environment = Environment(
        loader=FileSystemLoader(Path(template).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(Path(template).name).render(
        spec=spec,
        commit=find_commit(),
        verdicts=VERDICTS,
        claims=read_claims(claims, names) if claims else [],
        least_answered=LEAST_ANSWERED,
        claims_origin={"name": "the verdicts", **read_origin(claims)} if claims else {},
        figures=[drawn | embed_png(drawn["file"]) for drawn in (describe_drawn(e, figures) for e in spec.figures)],
        tables=[drawn | read_table(drawn["file"]) for drawn in (describe_drawn(e, tables) for e in spec.tables)],
        completions=describe_completions(sample, problems, spec.text),
        settings=KEY_SETTINGS,
        records=read_records(folders),
        digests={str(file): inputs[str(file)] for file in others},
    )
    write_string(output, page)
    files = {Path(output).name: digest_file(output)}
    write_json(Path(output).with_suffix(".json"), {**make_record(spec, inputs), "files": files})


def read_claims(file: Path, names: set[str]) -> list[dict[str, Any]]:
    """Return the claims; names: of the figures and tables that they may point to.

    Raises ValueError on a table without one of the columns, on an unknown verdict, and on an unknown figure.
    """
    table = pd.read_csv(file)
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise ValueError(f"{file}: this table of claims has no column {missing[0]!r}")
    for claim in table.itertuples():
        if claim.verdict not in VERDICTS:
            raise ValueError(f"{file}: claim {claim.claim} has the verdict {claim.verdict!r}, not one of {VERDICTS}")
        if claim.figure not in names:
            raise ValueError(f"{file}: claim {claim.claim} points to {claim.figure!r}, which the report does not have")
    return table.to_dict("records")


def describe_drawn(entry: tuple[str, str, str], files: list[Path]) -> dict[str, Any]:
    """Return what the report says of a figure or table; entry: see ReportSpec; files: all of them.

    Raises ValueError if its file is not among them, or not the one that its sidecar describes.
    """
    name, experiment, caption = entry
    file = next((Path(file) for file in files if Path(file).stem == name), None)
    if file is None:
        raise ValueError(f"the report takes {name}, but is not given its file")
    sentence, *paragraphs = (" ".join(paragraph.split()) for paragraph in caption.split("\n\n"))
    title, rest = re.fullmatch(r"(?:([^:.]{1,40}): )?(.+)", sentence).groups()
    return {
        "name": name,
        "experiment": experiment,
        "title": title or name,
        "sentence": rest[0].upper() + rest[1:],
        "paragraphs": paragraphs,
        **read_origin(file),
    }


def read_origin(file: Path) -> dict[str, Any]:
    """Return what the sidecar of a file says, with the steps and digests of the checkpoints by run and seed.

    Raises ValueError if the sidecar describes another file.
    """
    origin = json.loads(Path(file).with_suffix(".json").read_text(encoding="utf-8"))
    if origin["files"].get(Path(file).name) != digest_file(file):
        raise ValueError(f"{file}: its sidecar describes another file")
    checkpoints: dict[tuple[str, int], list[tuple[int, str]]] = {}
    for made in origin["checkpoints"]:
        checkpoints.setdefault((made["run"], made["seed"]), []).append((made["step"], made["digest"]))
    return {"file": str(file), "origin": origin, "checkpoints": checkpoints}


def embed_png(file: Path) -> dict[str, Any]:
    """Return a PNG as a data URI, with its width and height in pixels."""
    content = Path(file).read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    return {"uri": f"data:image/png;base64,{base64.b64encode(content).decode()}", "width": width, "height": height}


def read_table(file: Path) -> dict[str, Any]:
    """Return a Markdown table as header, numeric (whether each column is aligned right) and rows; a cell is its lines.

    Raises ValueError on a row that is shorter or longer than the header.
    """
    header, rule, *rows = split_rows(Path(file).read_text(encoding="utf-8"))
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"{file}: a row of this table does not have the cells of its header")
    return {
        "header": header,
        "numeric": [cell.endswith(":") for cell in rule],
        "rows": [[cell.split("<br>") for cell in row] for row in rows],
    }


def choose_completions(scores: pd.DataFrame) -> pd.DataFrame:
    """Return up to MOST_IN_A_CELL rows of each run, first and last checkpoint, kind, steps and right or wrong.

    They are the first free completions of their problems, seeds in turn, one of every cell before a second of any; at
    most MOST_COMPLETIONS in all. Raises ValueError if there are none.
    """
    free = scores[scores["forced_strategy"].isna() & (scores["sample"] == 0)]
    free = free.drop_duplicates([*CELL, "seed", "problem_id"])  # suites may share problems
    if free.empty:
        raise ValueError("there are no completions to show: all have a forced strategy")
    step = free["checkpoint_step"]
    steps = free.groupby("run")["checkpoint_step"]
    free = free[(step == steps.transform("min")) | (step == steps.transform("max"))]
    free = free.iloc[free.groupby([*CELL, "seed"]).cumcount().argsort(kind="stable")]
    place = free.groupby(CELL).cumcount().sort_values(kind="stable")
    return free.loc[place[place < MOST_IN_A_CELL].index[:MOST_COMPLETIONS]]


def describe_completions(sample: pd.DataFrame, problems: dict[str, dict], text: str) -> dict[str, Any]:
    """Return the completions as the explorer of the report takes them, and the prompts by problem.

    Raises ValueError on a completion of a problem that is not among `problems`.
    """
    prompts = {}
    completions = []
    for row in sample.itertuples():
        if row.problem_id not in problems:
            raise ValueError(f"the test problems do not have {row.problem_id}, of which there is a completion")
        problem = problems[row.problem_id]
        prompts[row.problem_id] = problem["prompt"]
        pieces = mark_completion(row.completion, problem["problem"], TEXT_FORMS[text])
        completions.append(
            {
                "run": row.run,
                "checkpoint": row.checkpoint_step,
                "kind": row.kind,
                "steps": row.steps,
                "answer": "right" if row.correct else "wrong",
                "seed": row.seed,
                "problem": row.problem_id,
                "strategy": row.strategy,
                "verdict": describe_verdict(row.correct, row.failure),
                "pieces": [[piece.text, piece.state, piece.expected] for piece in pieces],
            }
        )
    return {"prompts": prompts, "completions": completions}


def describe_verdict(correct: bool, failure: str | None) -> str:
    """Return the verdict on a completion in words; failure: one of strategies.FAILURES, or missing."""
    if pd.isna(failure):
        return "Right, and so is every step."
    return f"{'The answer is right, but the completion' if correct else 'Wrong: it'} {FAILURE_WORDS[failure]}."


def read_records(folders: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return the provenance records of checkpoints by folder, each after those of the checkpoints it was made from.

    Raises FileNotFoundError on a checkpoint without a record.
    """
    records: dict[str, dict[str, Any]] = {}
    for folder in folders:
        record = json.loads((Path(folder) / RECORD).read_text(encoding="utf-8"))
        records |= read_records(name for name in record["inputs"] if (Path(name) / RECORD).is_file())
        records[str(folder)] = {**record, "name": name_model(record["spec"]), "settings": flatten(record["spec"])}
    return records


def name_model(spec: dict[str, Any]) -> str:
    """Return the name of the run that has this spec; that of a base is made of its task, or of where it comes from."""
    if "run" in spec:
        return spec["run"]
    if "task" in spec:
        settings = ", ".join(f"{name} {value}" for name, value in spec["task"]["settings"].items())
        return f"base, {spec['task']['task']}" + (f", {settings}" if settings else "")
    return f"base, {spec['model']['source']}"


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by dotted names."""
    flat = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
