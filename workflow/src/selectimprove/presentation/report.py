"""The report: one HTML file with claims, tables, figures, sampled completions, settings and provenance of a preset.

It opens offline, from disk, since images and data are inside it; the same inputs and code give the same bytes.
"""

import base64
import json
import re
import struct
from collections import Counter
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
from selectimprove.measurement.decomposition import STRATEGY_ORDER
from selectimprove.measurement.markdown import split_rows
from selectimprove.measurement.scores import read_scores
from selectimprove.presentation.marking import mark_completion
from selectimprove.provenance.records import RECORD, digest_file, digest_inputs, find_commit, make_record
from selectimprove.tasks.data import read_rows
from selectimprove.tasks.problems import AnyProblem
from selectimprove.tasks.rewards import CUT
from selectimprove.tasks.texts import TEXT_FORMS, TextForm

VERDICTS = ("reproduced", "not reproduced", "inconclusive")
CHECKPOINT = ["run", "checkpoint_step"]
MOST_IN_A_CELL = 16
MOST_COMPLETIONS = 12_000  # 75 bytes each in the tiny preset
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
    The checkpoints that the scores name must be there too, for their provenance records, but for those of restored
    scores, which have no texts either: of these neither completions nor records are shown.

    Raises FileNotFoundError on a missing input, and ValueError on one that is incomplete or does not fit the others.
    """
    names = {name for name, _, _ in (*spec.figures, *spec.tables)}
    others = [*([claims] if claims else []), scores, *tests]
    inputs = digest_inputs(*figures, *tables, *others)
    table_of_scores = read_scores([scores])
    problems = {row["id"]: row for file in tests for row in read_rows(file)}
    sample = choose_completions(table_of_scores, problems)
    folders = select_last(table_of_scores.dropna(subset="completion"))["checkpoint"].unique()
    environment = Environment(
        loader=FileSystemLoader(Path(template).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "sort_keys": True}
    page = environment.get_template(Path(template).name).render(
        spec=spec,
        commit=find_commit(),
        verdicts=VERDICTS,
        claims=read_claims(claims, names) if claims else [],
        least_answered=LEAST_ANSWERED,
        claims_origin={"name": "the verdicts", **read_origin(claims)} if claims else {},
        figures=[drawn | embed_png(drawn["file"]) for drawn in (describe_drawn(e, figures) for e in spec.figures)],
        tables=[drawn | read_table(drawn["file"]) for drawn in (describe_drawn(e, tables) for e in spec.tables)],
        explorer=describe_completions(sample, problems, spec.texts),
        filters=list_filters(sample),
        shown=count_shown(sample, table_of_scores),
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


def choose_completions(scores: pd.DataFrame, problems: dict[str, dict]) -> pd.DataFrame:
    """Return what each run wrote at its first and last checkpoint on the same problems, a row each.

    problems: rows of the test data by id, whose order decides: up to MOST_IN_A_CELL of each data set, seed, kind and
    steps are taken, those that come first, one of every cell before a second of any; at least one in all, and no
    more than have MOST_COMPLETIONS together. What counts is the first free completion of a problem. The returned rows
    are in the order of the problems taken, and of a problem in that of the scores. Completions without a text, of
    restored scores, are left out; there is no row where all are without.

    Raises ValueError if there are no free completions, or if one is of a problem that is not among `problems`.
    """
    free = select_free(scores)
    if free.empty:
        raise ValueError("there are no completions to show: all have a forced strategy")
    free = free[free["completion"].notna() & (free["sample"] == 0)]
    free = free.drop_duplicates([*CHECKPOINT, "problem_id"])  # suites may share problems
    step = free["checkpoint_step"]
    steps = free.groupby("run")["checkpoint_step"]
    free = free[(step == steps.transform("min")) | (step == steps.transform("max"))]
    counts = free["problem_id"].value_counts(sort=False).to_dict()
    for name in counts:
        if name not in problems:
            raise ValueError(f"the test problems do not have {name}, of which there is a completion")
    cells: Counter[tuple] = Counter()
    places: dict[str, int] = {}
    for name in filter(counts.__contains__, problems):
        cell = (name.rpartition("/")[0], problems[name]["kind"], problems[name]["steps"])
        places[name] = cells[cell]
        cells[cell] += 1
    chosen: dict[str, int] = {}
    left = MOST_COMPLETIONS
    for name in sorted(places, key=places.__getitem__):
        left -= counts[name]
        if places[name] >= MOST_IN_A_CELL or (chosen and left < 0):
            break
        chosen[name] = len(chosen)
    rank = free["problem_id"].map(chosen)
    return free.loc[rank.dropna().sort_values(kind="stable").index]


def select_free(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the completions that were not made to begin with a strategy."""
    return scores[scores["forced_strategy"].isna()]


def count_shown(sample: pd.DataFrame, scores: pd.DataFrame) -> dict[str, int]:
    """Return how many completions and problems the sample has of how many free ones, and how many were cut off."""
    free = select_free(scores)
    return {
        "completions": len(sample),
        "all_completions": len(free),
        "problems": sample["problem_id"].nunique(),
        "all_problems": free["problem_id"].nunique(),
        "in_a_cell": MOST_IN_A_CELL,
        "cut": int(sample["completion"].str.endswith(CUT).sum()),
    }


def describe_completions(sample: pd.DataFrame, problems: dict[str, dict], texts: dict[str, str]) -> dict[str, Any]:
    """Return the completions as the explorer of the report takes them; texts: the text form of each data set.

    checkpoints: [run, RL step, words for it, place of the SFT model that it starts from]; None for the last of an SFT
    model, and where the sample lacks that. problems: for each, its prompt (see cut_prompt), what is written about it,
    once each, and by whom: [place of the checkpoint, place of what it wrote]. Written: [strategy, 1 if the answer is
    right, failure, pieces], and behind these, if a piece is wrong, its place and what should stand there.
    """
    roots = dict(zip(sample["run"], sample["sft_run"], strict=True))
    keys = sample[CHECKPOINT].drop_duplicates().itertuples(index=False, name=None)
    checkpoints = {key: place for place, key in enumerate(keys)}
    starts = [None if roots[run] == run else checkpoints.get((roots[run], 0)) for run, _ in checkpoints]
    described = []
    for name, rows in sample.groupby("problem_id", sort=False):
        problem, text = problems[name]["problem"], TEXT_FORMS[texts[name.partition("/")[0]]]
        written: dict[tuple, int] = {}
        by = []
        for row in rows.itertuples():
            key = (row.completion, row.strategy, bool(row.correct), None if pd.isna(row.failure) else row.failure)
            by.append([checkpoints[row.run, row.checkpoint_step], written.setdefault(key, len(written))])
        described.append(
            {
                "id": name,
                "seed": int(rows["seed"].iloc[0]),
                "kind": problem.kind,
                "steps": problem.steps,
                "prompt": cut_prompt(problems[name]["prompt"], problem, text),
                "written": [describe_written(*key, problem, text) for key in written],
                "by": by,
            }
        )
    return {
        "checkpoints": [
            [run, step, describe_step(step), start] for (run, step), start in zip(checkpoints, starts, strict=True)
        ],
        "problems": described,
        "failures": FAILURE_WORDS,
    }


def cut_prompt(prompt: str, problem: AnyProblem, text: TextForm) -> list[str]:
    """Return a prompt cut before each step that a space precedes; joined by spaces, it is whole again."""
    labels = [label for part in problem.parts for label in range(part.first_label, part.first_label + part.steps)]
    starts = "|".join(re.escape(text.write_step_start(label)) for label in labels)
    return re.split(f" (?=(?:{starts}) )", prompt)


def describe_written(
    completion: str, strategy: str, correct: bool, failure: str | None, problem: AnyProblem, text: TextForm
) -> list[Any]:
    """Return a completion as in describe_completions."""
    pieces = mark_completion(completion, problem, text)
    states = [piece.state for piece in pieces]
    wrong = [states.index("wrong"), pieces[states.index("wrong")].expected] if "wrong" in states else []
    return [strategy, int(correct), failure, [piece.text for piece in pieces], *wrong]


def list_filters(sample: pd.DataFrame) -> list[tuple[str, str, list[tuple[Any, str]]]]:
    """Return (name, label, options) of each list of the explorer; an option is its value and its words.

    A list without two options is left out, since there is nothing to choose.
    """
    values = {column: sorted(sample[column].unique()) for column in ("checkpoint_step", "seed", "kind", "steps")}
    strategies, found = set(sample["strategy"]), set(sample["failure"].dropna())
    failures = [(failure, words) for failure, words in FAILURE_WORDS.items() if failure in found]
    answers = [(answer, answer) for answer in ("right", "wrong")]
    has_rl = (sample["run"] != sample["sft_run"]).any()
    filters = [
        ("run", "Run", [(run, run) for run in sample["run"].unique()]),
        ("checkpoint", "Checkpoint", [(step, describe_step(step)) for step in values["checkpoint_step"]]),
        *((name, name.capitalize(), [(value, value) for value in values[name]]) for name in ("seed", "kind", "steps")),
        ("strategy", "Strategy", [(name, name) for name in STRATEGY_ORDER if name in strategies]),
        ("answer", "Answer", answers),
        ("failure", "First failure", [("none", "none"), *failures]),
        ("before", "Answer before RL", answers if has_rl else []),
    ]
    return [entry for entry in filters if len(entry[2]) > 1]


def describe_step(step: int) -> str:
    """Return in words what training a checkpoint of so many RL steps is the last of."""
    return f"{step} RL steps" if step else "SFT"


def read_records(folders: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return the provenance records of checkpoints by folder, each after those of the checkpoints it was made from.

    Raises FileNotFoundError on a checkpoint without a record.
    """
    records: dict[str, dict[str, Any]] = {}
    for folder in folders:
        record = json.loads((Path(folder) / RECORD).read_text(encoding="utf-8"))
        records |= read_records(name for name in record["inputs"] if (Path(name) / RECORD).is_file())
        records[str(folder)] = {
            **record,
            "name": name_model(Path(folder), record["spec"]),
            "settings": flatten(record["spec"]),
        }
    return records


def name_model(folder: Path, spec: dict[str, Any]) -> str:
    """Return the name of the run that has this spec; that of a base is made of its task, or of where it comes from.

    folder: its checkpoint; of a base that the workflow pretrains, .../<name of the task>/<seed>/<checkpoint>.
    """
    if "run" in spec:
        return spec["run"]
    if "task" in spec:
        settings = ", ".join(f"{name} {value}" for name, value in spec["task"]["settings"].items())
        return f"base {folder.parents[1].name}, {spec['task']['task']}" + (f", {settings}" if settings else "")
    return f"base, {spec['model']['source']}"


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by dotted names."""
    flat = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
