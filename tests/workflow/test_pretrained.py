"""Pretrained models through the workflow: SmolLM2 for real, Qwen2.5 by everything short of its weights."""

import json

import pandas as pd
import yaml
from checkout import copy_workflow, list_planned_rules, run_snakemake
from needs import require

SMOLLM2 = "workflow/presets/smollm2.yaml"
PAPER = "workflow/presets/paper.yaml"
SCORES = "results/{}/evaluation/FB_rl_6_9/seed0/steps_6_9.parquet"
SMALL = {  # two SFT updates, one RL update, eight completions
    "disk_gb": 3,
    "datasets": {
        "sft_FB": {"sizes": {"train": 2, "validation": 2, "test": 2}, "steps": "2-2"},
        "rl_6_9": {"sizes": {"train": 2, "validation": 2, "test": 8}},
    },
    "sft": {"defaults": {"epochs": 1, "batch_size": 1}},
    "rl": {
        "defaults": {"prompts_per_step": 2, "completions_per_prompt": 2, "micro_batches": 1},
        "FB_rl_6_9": {"updates": 1, "checkpoint_every": 1, "max_completion_tokens": 80},
    },
    "execution": {"threads": 1},
    "suites": {
        "steps_6_9": {"problems": 8, "checkpoints": "last", "max_completion_tokens": 80},
        "forced_6_9": {"problems": 8},
        "pass_6_9": {"problems": 8},
    },
}
CORE = {"dataset": 5, "sft": 3, "rl": 6, "evaluate": 42, "figure": 9, "table": 2}


def write_changes(folder, changes):
    file = folder / "changes.yaml"
    file.write_text(yaml.safe_dump(changes))
    return str(file)


def test_smollm2_is_trained_and_evaluated(tmp_path):
    require("smollm2")
    checkout = copy_workflow(tmp_path / "checkout")
    planned = list_planned_rules(checkout, "--configfile", SMOLLM2, write_changes(tmp_path, {"disk_gb": 1}))
    assert {**planned, **CORE, "convert": 1} == planned
    changes = write_changes(tmp_path, SMALL)
    process = run_snakemake(checkout, "--configfile", SMOLLM2, changes, "--", SCORES.format("smollm2"))
    assert process.returncode == 0, process.stdout
    results = checkout / "results/smollm2"
    assert pd.read_csv(results / "sft/FB/seed0/metrics.csv")["loss"].between(0.1, 10).sum() == 2
    assert len(pd.read_csv(results / "rl/FB_rl_6_9/seed0/metrics.csv")) == 1
    table = pd.read_parquet(checkout / SCORES.format("smollm2"))
    assert len(table) == 8
    assert table["completion"].str.len().min() > 0
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
