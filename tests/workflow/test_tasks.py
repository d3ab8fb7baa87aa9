"""A task that an installed package registers goes the whole way to the report, without a change here."""

import json
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from checkout import ROOT, copy_workflow, run_snakemake

CUPS = ROOT / "tests/examples/cups"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The example, installed by pip in a folder of its own."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(CUPS, tmp_path_factory.mktemp("source") / "cups")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    process = subprocess.run([*pip, "--target", folder, source], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return folder


def test_task_of_a_package_reaches_the_report(installed, tmp_path):
    checkout = copy_workflow(tmp_path)
    process = run_snakemake(checkout, "--configfile", str(CUPS / "cups.yaml"), PYTHONPATH=str(installed))
    assert process.returncode == 0, process.stdout
    assert "20 updates on a ball under 7 cups" in process.stdout
    results = checkout / "results/tiny"
    assert (results / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    record = json.loads((results / "pretrain/seven/seed0/checkpoint/provenance.json").read_text())
    assert record["spec"]["task"] == {"task": "cups", "settings": {"cups": 7}, "package": "cups 1.0"}
    scores = pd.read_parquet(results / "scores.parquet")
    assert set(scores["run"]) == {"FB", "FB_rl_6_9"}
    assert (scores["completion"].str.contains("cup")).any()


def test_task_of_a_package_that_is_not_installed_is_told(tmp_path):
    process = run_snakemake(copy_workflow(tmp_path), "--configfile", str(CUPS / "cups.yaml"), "--dry-run")
    assert process.returncode != 0
    assert "tasks.seven.task: 'cups' is not known; known are field, programs" in process.stdout
    assert "Traceback" not in process.stdout
