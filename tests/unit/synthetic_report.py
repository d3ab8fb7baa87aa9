"""A whole preset of made-up results, from problems to claims, for the tests of the report."""

import itertools
from pathlib import Path
from typing import Any

import pandas as pd
from synthetic_scores import RL_RUNS, SFT_RUNS, add_checkpoints, make_scores, make_spec, write_metrics, write_run_scores

from selectimprove.experiment.experiment import find_module, read_caption
from selectimprove.experiment.specs import ReportSpec
from selectimprove.files import write_json
from selectimprove.measurement.claims import COLUMNS as CLAIM_COLUMNS
from selectimprove.measurement.scores import join_scores
from selectimprove.presentation.rendering import render_figure, render_table
from selectimprove.presentation.report import render_report
from selectimprove.provenance.records import digest_file
from selectimprove.tasks.data import read_rows, write_dataset
from selectimprove.tasks.specs import DatasetSpec, DataSpec, TaskSpec
from selectimprove.tasks.strategies import STRATEGIES, SUITED, read_completion
from selectimprove.tasks.texts import TEXT_FORMS

TEMPLATE = Path(__file__).parents[2] / "workflow" / "report" / "report.html.j2"
TEXT = TEXT_FORMS["symbolic"]
FIGURES = ("figure2", "figure3")
RUNS = (*SFT_RUNS, "F_rl_2_5", "B_rl_2_5", "FB_rl_2_5", *RL_RUNS)
CLAIMS = [
    ("selects", "reproduced", 0.95, 0.93, 0.97, "above", 0.9, 1.0, "figure3", "RL <selects> & routes."),
    ("invents", "not reproduced", 0.4, 0.3, 0.45, "below", 0.2, 0.5, "figure2", "RL invents no strategy."),
    ("improves", "inconclusive", 0.12, -0.02, 0.2, "above", 0.1, 1.0, "table1", "RL improves a known strategy."),
]


def spoil(completion: str, way: int) -> str:
    """Return a right completion made wrong in one of six ways."""
    words = completion.split(" ")
    match way % 6:
        case 0:
            words[5] = "e0" if words[5] != "e0" else "e1"  # the result of the first step
        case 1:
            words = [*words[:10], *words[-5:]]
        case 2:
            words[6] = "L24"
        case 3:
            words = words[:9]
        case 4:
            words = ["</script><script>alert(1)</script>", "<b>e1</b>"]
        case 5:  # opens with the other strategy, and is not right in the end
            ends = ("e0" if words[end] != "e0" else "e1" for end in (-3, -1))
            words = [{"x": "y", "y": "x"}[words[0]], *words[1:-3], next(ends), "y", next(ends)]
    return " ".join(words)


def write_completions(scores: pd.DataFrame, rows: list[dict]) -> pd.DataFrame:
    """Return the scores with completions of the problems of `rows` that are as right as the scores say."""
    scores = scores.copy()
    problems = {}
    for cell, cell_rows in itertools.groupby(sorted(rows, key=find_cell), find_cell):
        problems[cell] = itertools.cycle(list(cell_rows))
    filled: dict[str, list] = {name: [] for name in ("problem_id", "completion", "strategy", "correct", "failure")}
    for place, score in enumerate(scores.itertuples()):
        row = next(problems[score.kind, score.steps])
        trace = STRATEGIES[SUITED[score.kind]](row["problem"])
        completion = TEXT.write_completion(trace, row["problem"].task)
        completion = completion if score.correct else spoil(completion, place)
        reading = read_completion(completion, row["problem"], TEXT)
        values = (row["id"], completion, reading.strategy, reading.correct, reading.failure)
        for name, value in zip(filled, values, strict=True):
            filled[name].append(value)
    return scores.assign(**filled)


def find_cell(row: dict) -> tuple[str, int]:
    return row["kind"], row["steps"]


def write_preset(root: Path) -> dict[str, Any]:
    """Make the results below `root` and return the arguments of render_report."""
    dataset = DatasetSpec(
        name="rl_6_9",
        task="gf11",
        parts=(1, 1),
        steps=(6, 9),
        kinds={"evaluation": 0.5, "inversion": 0.5},
        strategies=None,
        sizes={"train": 8, "validation": 8, "test": 64},
    )
    data = root / "data"
    write_dataset(DataSpec(dataset, TaskSpec("field", {"order": 11, "symbol_map": "fixed"}), "symbolic", seed=0), data)
    scores = make_scores(lambda run, step, kind, length: 0.5 + step / 200, runs=RUNS, problems=8)
    scores = add_checkpoints(write_completions(scores, read_rows(data / "test.jsonl")), root / "checkpoints")
    for run, step, folder, digest in scores[["run", "checkpoint_step", "checkpoint", "checkpoint_digest"]].itertuples(
        index=False
    ):
        spec = {"run": run, "seed": 0, "dataset": "rl_6_9", "model": {"source": "scratch"}}
        inputs = {str(root / "checkpoints" / run.partition("_")[0] / "0"): "f00d"} if step else {"train.jsonl": "beef"}
        record = {"spec": spec, "inputs": inputs, "digest": digest, "commit": "c0ffee", "versions": {"torch": "2"}}
        write_json(Path(folder) / "provenance.json", record)
    score_files = write_run_scores(scores, root / "scores")
    metrics = write_metrics(scores, root / "sft")
    spec_table = make_spec("table1", scores)
    figures = []
    for name in FIGURES:
        png = root / "figures" / f"{name}.png"
        spec = make_spec(name, scores[scores["run"].isin((*SFT_RUNS, *RL_RUNS))])
        files = [file for file in score_files if file.stem in spec.run_settings]
        render_figure(spec, files, metrics, png.with_suffix(".pdf"), png, png.with_suffix(".json"))
        figures.append(png)
    table = root / "tables" / "table1.md"
    render_table(spec_table, score_files, metrics, table, table.with_suffix(".csv"), table.with_suffix(".json"))
    join_scores(score_files, root / "scores.parquet")
    write_claims(root / "claims.csv", pd.DataFrame(CLAIMS, columns=CLAIM_COLUMNS))
    return {
        "spec": ReportSpec(
            preset="made-up",
            seeds=(0,),
            text="symbolic",
            figures=tuple((name, "core", read_caption(find_module("figures", name))) for name in FIGURES),
            tables=(("table1", "core", read_caption(find_module("tables", "table1"))),),
        ),
        "figures": figures,
        "tables": [table],
        "claims": root / "claims.csv",
        "scores": root / "scores.parquet",
        "tests": [data / "test.jsonl"],
        "template": TEMPLATE,
    }


def write_claims(file: Path, claims: pd.DataFrame) -> None:
    """Write claims and their sidecar."""
    claims.to_csv(file, index=False)
    origin = {"function": "claims.check_claims", "commit": "c0ffee", "config_digest": "0", "checkpoints": []}
    write_json(file.with_suffix(".json"), {**origin, "files": {file.name: digest_file(file)}})


def make_report(root: Path) -> Path:
    """Make the results and their report below `root` and return the report."""
    render_report(**write_preset(root), output=root / "report.html")
    return root / "report.html"
