"""A whole preset of made-up results, from problems to claims, for the tests of the report."""

import re
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
from selectimprove.provenance.records import digest_file
from selectimprove.tasks.data import read_rows, write_dataset
from selectimprove.tasks.specs import DatasetSpec, DataSpec, TaskSpec
from selectimprove.tasks.strategies import STRATEGIES, SUITED, read_completion
from selectimprove.tasks.task import Task
from selectimprove.tasks.texts import TEXT_FORMS, TextForm

TEMPLATE = Path(__file__).parents[2] / "workflow" / "report" / "report.html.j2"
FIGURES = ("figure2", "figure3")
RUNS = (*SFT_RUNS, "F_rl_2_5", "B_rl_2_5", "FB_rl_2_5", *RL_RUNS)
CLAIMS = [
    ("selects", "reproduced", 0.95, 0.93, 0.97, "above", 0.9, 1.0, "figure3", "RL <selects> & routes."),
    ("invents", "not reproduced", 0.4, 0.3, 0.45, "below", 0.2, 0.5, "figure2", "RL invents no strategy."),
    ("improves", "inconclusive", 0.12, -0.02, 0.2, "above", 0.1, 1.0, "table1", "RL improves a known strategy."),
]


def spoil(completion: str, way: int, text: TextForm, task: Task) -> str:
    """Return a right completion made wrong in one of seven ways; in the first three its answer stays right."""
    pieces = text.split_pieces(completion, task)
    match way % 7:
        case 0:
            pieces[1] = re.sub(r"e\d+$", change_symbol, pieces[1])  # the result of the first step
        case 1:
            pieces = [*pieces[:3], pieces[-1]]
        case 2:
            pieces[1:3] = pieces[2:0:-1]
        case 3:
            pieces = pieces[:3]
        case 4:
            pieces = ["</script><script>alert(1)</script>", "<b>e1</b>"]
        case 5:  # opens with the other strategy, and is not right in the end
            opening = {"x": "y", "y": "x"}[pieces[0][0]] + pieces[0][1:]
            pieces = [opening, *pieces[1:-1], re.sub(r"e\d+", change_symbol, pieces[-1])]
        case 6:
            pieces[-1] = re.sub(r"e\d+", change_symbol, pieces[-1])
    return text.join_parts(pieces)


def change_symbol(match: re.Match) -> str:
    return "e0" if match[0] != "e0" else "e1"


def write_completions(scores: pd.DataFrame, rows: list[dict], text: TextForm) -> pd.DataFrame:
    """Return the scores with completions of the problems of `rows` that are as right as the scores say.

    Later checkpoints are right on other problems, so that some are right before and wrong after.
    """
    cells: dict[tuple[str, int], list[dict]] = {}
    for row in rows:
        cells.setdefault((row["kind"], row["steps"]), []).append(row)
    columns = ("problem_id", "completion", "strategy", "correct", "first_wrong_step", "failure")
    filled: dict[str, list] = {name: [] for name in columns}
    for place, score in enumerate(scores.itertuples()):
        problems = cells[score.kind, score.steps]
        index = int(score.problem_id.rpartition("/")[2]) + score.checkpoint_step // 25
        row = problems[index % len(problems)]
        trace = STRATEGIES[SUITED[score.kind]](row["problem"])
        completion = text.write_completion(trace, row["problem"].task)
        completion = completion if score.correct else spoil(completion, place, text, row["problem"].task)
        reading = read_completion(completion, row["problem"], text)
        values = (row["id"], completion, reading.strategy, reading.correct, reading.first_wrong_step, reading.failure)
        for name, value in zip(columns, values, strict=True):
            filled[name].append(value)
    return scores.assign(**filled)


def write_preset(root: Path, text: str = "symbolic") -> dict[str, Any]:
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
    write_dataset(DataSpec(dataset, TaskSpec("field", {"order": 11, "symbol_map": "fixed"}), text, seed=0), data)
    scores = make_scores(
        lambda run, step, kind, length: 0.5 + step / 200, runs=RUNS, checkpoint_steps=(25, 50, 75), problems=8
    )
    scores = write_completions(scores, read_rows(data / "test.jsonl"), TEXT_FORMS[text])
    scores = add_checkpoints(scores, root / "checkpoints")
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
            texts={"rl_6_9": text},
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
