"""Pretrained models through the workflow: SmolLM2 for real, Qwen2.5 by everything short of its weights."""

import json
import re
from pathlib import Path

import pandas as pd
import yaml
from checkout import copy_workflow, list_planned_rules, run_snakemake
from needs import require

SMOLLM2 = "workflow/presets/smollm2.yaml"
PAPER = "workflow/presets/paper.yaml"
SHORT = "workflow/presets/smollm2_short.yaml"
TWO_UPDATES = str(Path(__file__).parents[1] / "examples/two_updates.yaml")
SMALL = {  # one run of each kind, two SFT updates, one RL update, two problems
    "disk_gb": 3,
    "datasets": {
        "sft_FB": {"sizes": {"train": 2, "validation": 2, "test": 2}, "steps": "2-2"},
        "rl_6_9": {"sizes": {"train": 2, "validation": 2, "test": 2}, "steps": "2-2"},
        **dict.fromkeys(["sft_F", "sft_B", "rl_2_5"]),
    },
    "sft": {"defaults": {"epochs": 1, "batch_size": 1}, **dict.fromkeys(["F", "B"])},
    "rl": {
        "defaults": {"prompts_per_step": 2, "completions_per_prompt": 2, "micro_batches": 1},
        "FB_rl_6_9": {"updates": 1, "checkpoint_every": 1, "max_completion_tokens": 32},
        **dict.fromkeys(["F_rl_2_5", "B_rl_2_5", "FB_rl_2_5", "F_rl_6_9", "B_rl_6_9"]),
    },
    "suites": {
        "steps_6_9": {"max_completion_tokens": 32},
        **dict.fromkeys(["steps_2_5", "forced_2_5", "forced_6_9", "pass_6_9"]),
    },
    "claims": [],
    "figures": {
        "figure2": {"runs": ["FB_rl_6_9"]},
        **dict.fromkeys(["figure3", "figure4", "forced_skill", "decomposition", "decomposition_summary"]),
        **dict.fromkeys(["pass_at_k", "coverage", "failures"]),
    },
    "tables": {
        "table1": None,
        "accuracy": {"runs": ["FB_rl_6_9"], "suites": ["steps_6_9"]},
        "decomposition_table": None,
    },
}
CORE = {"dataset": 5, "sft": 3, "rl": 6, "evaluate": 42, "figure": 9, "table": 2}


def write_changes(folder, changes):
    file = folder / "changes.yaml"
    file.write_text(yaml.safe_dump(changes))
    return str(file)


def test_presets_of_smollm2_are_planned(tmp_path):
    require("smollm2")
    checkout = copy_workflow(tmp_path / "checkout")
    changes = write_changes(tmp_path, {"disk_gb": 1})
    planned = list_planned_rules(checkout, "--configfile", SMOLLM2, changes)
    assert {**planned, **CORE, "convert": 1} == planned
    planned = list_planned_rules(checkout, "--configfile", SHORT, TWO_UPDATES)
    wanted = {"convert": 1, "dataset": 5, "sft": 3, "rl": 4, "evaluate": 28, "claims": 1, "figure": 6, "table": 2}
    assert planned == {**wanted, "scores": 1, "report": 1, "all": 1}


def test_smollm2_reaches_its_report_and_is_traced(tmp_path):
    require("smollm2")
    checkout = copy_workflow(tmp_path / "checkout")
    configuration = ["--configfile", SMOLLM2, write_changes(tmp_path, SMALL)]
    process = run_snakemake(checkout, *configuration)
    assert process.returncode == 0, process.stdout
    results = checkout / "results/smollm2"
    assert pd.read_csv(results / "sft/FB/seed0/metrics.csv")["loss"].between(0.1, 10).sum() == 2
    assert len(pd.read_csv(results / "rl/FB_rl_6_9/seed0/metrics.csv")) == 1
    table = pd.read_parquet(results / "scores.parquet")
    assert sorted(table["run"]) == ["FB", "FB", "FB_rl_6_9", "FB_rl_6_9"]
    assert table["completion"].str.len().min() > 0
    source = yaml.safe_load((checkout / SMOLLM2).read_text())["model"]["source"]
    assert f"<summary>base, {source}</summary>" in (results / "report.html").read_text(encoding="utf-8")
    process = run_snakemake(checkout, "verify", "crate", "list_runs", *configuration)
    assert process.returncode == 0, process.stdout
    assert re.search(r"^(\d+) artifacts: \1 matches$", process.stdout, re.MULTILINE)
    assert len(re.findall(r"^ *FB\w* .* done$", process.stdout, re.MULTILINE)) == 2
    crate = json.loads((results / "ro-crate-metadata.json").read_text())
    assert "#job/convert/checkpoint" in {entity["@id"] for entity in crate["@graph"]}
    record = json.loads((results / "convert/checkpoint/provenance.json").read_text())
    pinned = yaml.safe_load((checkout / SMOLLM2).read_text())["model"]["revision"]
    assert record["spec"]["model"]["revision"] == pinned
    sft = json.loads((results / "sft/FB/seed0/checkpoints/step0/provenance.json").read_text())
    assert sft["inputs"]["results/smollm2/convert/checkpoint"] == record["digest"]


def test_paper_is_planned_and_needs_no_base(tmp_path):
    checkout = copy_workflow(tmp_path / "checkout")
    planned = list_planned_rules(checkout, "--configfile", PAPER, write_changes(tmp_path, {"disk_gb": 1}))
    assert {**planned, **CORE} == planned
    assert not {"convert", "pretrain"} & set(planned)
