"""Curves of a training are asked for in the configuration, drawn beside its results, and no part of them."""

import os
import re

from checkout import SMOKE, copy_workflow, list_planned_rules, run_snakemake
from stand_ins import write_tracker

BASE = "results/smoke/pretrain/gf11/seed0/checkpoint"
TRACKED = ("--configfile", SMOKE, "--config", "execution={report_to: [tensorboard]}")


def test_tracker_is_told_each_training_and_nothing_is_made_again_without_it(tmp_path):
    folder = copy_workflow(tmp_path / "checkout")
    packages = f"{write_tracker(tmp_path / 'packages')}:{os.environ.get('PYTHONPATH', '')}"
    plan = run_snakemake(folder, *TRACKED, "--dry-run", "--printshellcmds", PYTHONPATH=packages)
    assert plan.returncode == 0, plan.stdout
    told = re.findall(r"(\w+)\.py --spec .* --report-to tensorboard --curves (\S+)\) >", plan.stdout)
    assert {stage for stage, _ in told} == {"pretrain", "sft", "rl"}
    assert len(told) == len(re.findall(r"\.py --spec .* --resume ", plan.stdout)) > 20
    for stage, curves in told:
        assert re.fullmatch(rf"results/smoke/tensorboard/{stage}/\w+/seed0", curves)
    assert ("rl", "results/smoke/tensorboard/rl/FB_rl_6_9/seed0") in told

    process = run_snakemake(folder, *TRACKED, "--", BASE, PYTHONPATH=packages)
    assert process.returncode == 0, process.stdout
    [file] = (folder / "results/smoke/tensorboard/pretrain/gf11/seed0").iterdir()
    steps = re.findall(r'^\["train/loss", (\d+), ', file.read_text(), re.MULTILINE)
    assert steps == [str(step) for step in range(1, 21)]
    assert "tensorboard" not in (folder / BASE / "provenance.json").read_text()
    assert list_planned_rules(folder, BASE, "--configfile", SMOKE) == {}
