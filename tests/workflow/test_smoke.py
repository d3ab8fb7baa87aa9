"""The smoke preset for real: every rule, a second run with nothing to do, and one figure after an edit."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from checkout import SMOKE, copy_workflow, list_planned_rules, run_snakemake
from crate_checks import check_crate

from selectimprove.measurement.scores import COLUMNS
from selectimprove.provenance.records import digest_checkpoint, digest_file

RUNS = ["F", "B", "FB", *(f"{model}_rl_{steps}" for model in ("F", "B", "FB") for steps in ("2_5", "6_9"))]
DRAWN = {
    "core": [
        *("figure2", "figure3", "figure4", "table1", "forced_skill", "decomposition", "decomposition_summary"),
        *("decomposition_table", "pass_at_k", "coverage", "failures"),
    ],
    "amplification": ["amplification"],
    "composition": ["composition"],
    "difficulty": ["difficulty"],
    "curation": ["curation"],
    "field": ["gf13_figure3"],
    "ablations": ["rl_heatmap", "sft_ablation", "rl_ablation"],
    "diversity": ["diversity"],
    "text_variants": ["text_variants"],
}
TABLES = ("table1", "decomposition_table", "sft_ablation", "rl_ablation")
FIGURES = [name for names in DRAWN.values() for name in names if name not in TABLES]


def test_everything_is_made(checkout):
    results = checkout / "results" / "smoke"
    for figure in FIGURES:
        assert (results / "figures" / f"{figure}.pdf").read_bytes().startswith(b"%PDF")
        assert (results / "figures" / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
    table = pd.read_csv(results / "tables" / "table1.csv")
    assert list(table) == [
        *("model", "training", "kind", "accuracy", "low", "high"),
        *("seeds", "worst_seed", "best_seed", "paper"),
    ]
    assert len(table) == 27
    scores = pd.read_parquet(results / "scores.parquet")
    assert list(scores) == list(COLUMNS)
    assert set(RUNS) < set(scores["run"])
    assert set(scores["suite"]) == {
        *("steps_2_5", "steps_6_9", "forced_2_5", "forced_6_9", "pass_6_9"),
        *("parts_3_5", "gf13_steps_6_9", "stated_steps_6_9"),
    }
    claims = pd.read_csv(results / "claims.csv")
    assert set(claims["verdict"]) <= {"reproduced", "not reproduced", "inconclusive"}
    assert claims["claim"].is_unique
    for name in TABLES:
        assert (results / "tables" / f"{name}.md").read_text().count("\n") >= 4
    assert (results / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not (results / "resume").exists() or not list((results / "resume").rglob("checkpoint-*"))


def test_metrics_have_one_row_a_step(checkout):
    metrics = pd.read_csv(checkout / "results/smoke/rl/FB_rl_6_9/seed0/metrics.csv")
    assert list(metrics["step"]) == [1, 2, 3]
    wanted = {"loss", "reward", "reward_evaluation", "reward_inversion", "kl", "entropy", "forward_share"}
    wanted |= {"completion_tokens", "tokens", *(f"reward_steps_{steps}" for steps in range(6, 10))}
    assert wanted <= set(metrics)


def test_test_problems_are_in_no_training_split(checkout):
    data = checkout / "results/smoke/data"

    def read_chains(split):
        rows = [json.loads(line) for file in data.rglob(f"{split}.jsonl") for line in file.open()]
        return {json.dumps([row["field_order"], row["start"], row["operations"]]) for row in rows if "parts" not in row}

    splits = [read_chains(split) for split in ("train", "validation", "test")]
    assert all(splits)
    assert sum(map(len, splits)) == len(set.union(*splits))


def test_figures_are_traced_to_checkpoints(checkout):
    figure = "results/smoke/figures/figure2.pdf"
    trace = [sys.executable, "-m", "selectimprove", "trace", figure]
    environment = {**os.environ, "PYTHONPATH": str(checkout / "workflow/src")}
    traced = subprocess.run(trace, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert traced.returncode == 0, traced.stdout + traced.stderr
    record = json.loads((checkout / figure).with_suffix(".json").read_text())
    assert {checkpoint["run"] for checkpoint in record["checkpoints"]} == {
        "F",
        "B",
        "FB",
        "F_rl_6_9",
        "B_rl_6_9",
        "FB_rl_6_9",
    }
    for checkpoint in record["checkpoints"]:
        assert digest_checkpoint(checkout / checkpoint["path"]) == checkpoint["digest"]
    assert digest_file(checkout / figure) == record["files"]["figure2.pdf"]


def test_snakemake_report_has_every_figure_with_category_label_and_caption(checkout, tmp_path):
    process = run_snakemake(checkout, "--configfile", SMOKE, "--report", str(tmp_path / "report.html"))
    assert process.returncode == 0, process.stdout
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    results, categories = (
        json.loads(re.search(rf'<script id="{name}">\s*var {name} = (.*);\n', page)[1])
        for name in ("results", "categories")
    )
    shown = {Path(path).stem: result for path, result in results.items()}
    assert sorted(shown) == sorted([*FIGURES, *TABLES])
    for name, result in shown.items():
        assert result["labels"] == {"name": name}
        assert result["caption"].startswith("<p>")
    assert set(categories) == set(DRAWN)


def test_verify_passes_and_finds_a_changed_byte(checkout):
    process = run_snakemake(checkout, "verify", "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    assert re.search(r"^(\d+) artifacts: \1 matches$", process.stdout, re.MULTILINE)
    name = "results/smoke/rl/FB_rl_6_9/seed0/checkpoints/step2"
    weights = checkout / name / "model.safetensors"
    content, status = weights.read_bytes(), weights.stat()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    process = run_snakemake(checkout, "verify", "--configfile", SMOKE)
    weights.write_bytes(content)
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert process.returncode != 0
    found = re.findall(r"^(?:differs|missing|untraced)  \S+", process.stdout, re.MULTILINE)
    assert found == [f"differs  {name}"]


def test_results_are_described_as_a_crate(checkout):
    process = run_snakemake(checkout, "crate", "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    entities = check_crate(checkout / "results" / "smoke")
    drawn = {*(f"figures/{name}.pdf" for name in FIGURES), *(f"tables/{name}.csv" for name in TABLES)}
    assert drawn < set(entities["#run"]["result"])
    tools = {"dataset", "pretrain", "sft", "pass_rates", "rl", "evaluate", "scores", "draw", "claims", "report"}
    assert {entities[script]["name"][0] for script in entities["workflow/Snakefile"]["hasPart"]} == tools
    settings = yaml.safe_load((checkout / "results/smoke/workflow/config.yaml").read_text())
    assert (settings["preset"], settings["pretrain"]["updates"]) == ("smoke", 20)


def test_second_run_finds_nothing_to_do(checkout):
    assert list_planned_rules(checkout, "--configfile", SMOKE) == {}


@pytest.mark.parametrize("experiment", DRAWN)
def test_each_experiment_can_be_asked_for_alone(experiment, tmp_path):
    fresh = copy_workflow(tmp_path)
    planned = list_planned_rules(fresh, experiment, "--configfile", SMOKE)
    assert planned["figure"] + planned.get("table", 0) == len(DRAWN[experiment])
    assert planned[experiment] == 1


def test_runs_are_listed_with_their_state(checkout, tmp_path):
    process = run_snakemake(checkout, "list_runs", "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    states = {line.split()[0]: line.split()[-1] for line in process.stdout.splitlines() if line.split()}
    assert {states[run] for run in (*RUNS, "parts_1_2_rl_3_5", "gf13_FB_rl_6_9")} == {"done"}
    (tmp_path / "seed1.yaml").write_text("seeds: [1]")
    process = run_snakemake(checkout, "list_runs", "--configfile", SMOKE, str(tmp_path / "seed1.yaml"))
    assert process.returncode == 0, process.stdout
    states = {line.split()[0]: line.split()[-1] for line in process.stdout.splitlines() if line.split()}
    assert {states[run] for run in RUNS} == {"missing"}


def test_figure_with_a_missing_table_fails_and_is_not_drawn(checkout, tmp_path):
    """Called by hand with fewer tables than its spec names."""
    record = json.loads((checkout / "results/smoke/figures/figure2.json").read_text())
    evaluations = [[run, "steps_6_9"] for run in ("F_rl_6_9", "B_rl_6_9", "FB_rl_6_9")]
    spec = {"name": "figure2", "module": "figure2", "evaluations": evaluations, "seeds": [0], "config_digest": "0"}
    spec["run_settings"] = {}
    tables = [path for path in record["scores"] if path.endswith(".parquet") and "/FB_rl_6_9/" not in path]
    metrics = [path for path in record["scores"] if path.endswith(".csv")]
    spec_file, drawn = tmp_path / "spec.json", tmp_path / "drawn"
    spec_file.write_text(json.dumps(spec))
    drawn.mkdir()
    outputs = ["--outputs", drawn / "pdf", drawn / "png", "--sidecar", drawn / "sidecar"]
    inputs = ["--scores", *tables, "--metrics", *metrics]
    command = [sys.executable, "workflow/scripts/draw.py", "figure", "--spec", spec_file, *inputs, *outputs]
    environment = {**os.environ, "PYTHONPATH": str(checkout / "workflow/src")}
    process = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode != 0
    assert "no scores for run FB_rl_6_9" in process.stderr
    assert not list(drawn.iterdir())
