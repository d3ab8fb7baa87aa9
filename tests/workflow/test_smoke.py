"""The smoke preset for real: every rule, a second run with nothing to do, and one figure after an edit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from checkout import SMOKE, copy_workflow, list_planned_rules, run_snakemake

from selectimprove.provenance import digest_checkpoint, digest_file
from selectimprove.scores import COLUMNS

RUNS = ["F", "B", "FB", *(f"{model}_rl_{steps}" for model in ("F", "B", "FB") for steps in ("2_5", "6_9"))]
FIGURES = ("figure2", "figure3", "figure4")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = copy_workflow(tmp_path_factory.mktemp("smoke"))
    process = run_snakemake(folder, "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    return folder


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
    assert set(scores["run"]) == set(RUNS)
    assert set(scores["suite"]) == {"steps_2_5", "steps_6_9"}
    assert not (results / "resume").exists() or not list((results / "resume").rglob("checkpoint-*"))


def test_metrics_have_one_row_a_step(checkout):
    metrics = pd.read_csv(checkout / "results/smoke/rl/FB_rl_6_9/seed0/metrics.csv")
    assert list(metrics["step"]) == [1, 2, 3]
    wanted = {"loss", "reward", "reward_evaluation", "reward_inversion", "kl", "entropy", "forward_share"}
    wanted |= {"completion_tokens", "seconds", "tokens", *(f"reward_steps_{steps}" for steps in range(6, 10))}
    assert wanted <= set(metrics)


def test_test_problems_are_in_no_training_split(checkout):
    data = checkout / "results/smoke/data"

    def read_chains(split):
        rows = [json.loads(line) for file in data.rglob(f"{split}.jsonl") for line in file.open()]
        return {json.dumps([row["start"], row["operations"]]) for row in rows}

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


def test_second_run_finds_nothing_to_do(checkout):
    assert list_planned_rules(checkout, "--configfile", SMOKE) == {}


def edit(file: Path, old: str = "", new: str = "\n"):
    text = file.read_text()
    file.write_text(text.replace(old, new) if old else text + new)


def test_edited_figure_module_redraws_that_figure_alone(checkout):
    edit(checkout / "workflow/src/selectimprove/figures/figure3.py")
    planned = list_planned_rules(checkout, "--configfile", SMOKE)
    assert planned == {"all": 1, "figure": 1}
    process = run_snakemake(checkout, "results/smoke/figures/figure3.pdf", "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    assert list_planned_rules(checkout, "--configfile", SMOKE) == {}


def test_edited_training_code_retrains_nothing_but_edited_settings_do(checkout, tmp_path):
    edit(checkout / "workflow/src/selectimprove/grpo.py")
    edit(checkout / "workflow/scripts/rl.py")
    assert list_planned_rules(checkout, "--configfile", SMOKE) == {}
    changes = tmp_path / "changes.yaml"
    changes.write_text("rl: {FB_rl_6_9: {learning_rate: 0.5}}")
    changed = list_planned_rules(checkout, "--configfile", SMOKE, str(changes))
    assert changed == {"rl": 1, "evaluate": 2, "figure": 3, "table": 1, "scores": 1, "all": 1}


def test_figure_with_a_missing_table_fails_and_is_not_drawn(checkout, tmp_path):
    """Called by hand with fewer tables than its spec names."""
    record = json.loads((checkout / "results/smoke/figures/figure2.json").read_text())
    runs = ("F_rl_6_9", "B_rl_6_9", "FB_rl_6_9")
    spec = {"name": "figure2", "runs": runs, "suites": ["steps_6_9"], "seeds": [0], "config_digest": "0"}
    tables = [path for path in record["scores"] if "/FB_rl_6_9/" not in path]
    outputs = [f"--{kind}={tmp_path / kind}" for kind in ("pdf", "png", "sidecar")]
    command = [sys.executable, "workflow/scripts/figure.py", "--spec", json.dumps(spec), "--scores", *tables, *outputs]
    environment = {**os.environ, "PYTHONPATH": str(checkout / "workflow/src")}
    process = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode != 0
    assert "no scores for run FB_rl_6_9" in process.stderr
    assert not list(tmp_path.iterdir())
