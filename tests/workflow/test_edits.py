"""An edit makes again what it changes, and only that; a copy of results only what is not as recorded."""

import os
import random
import re
import shutil

import pytest
from checkout import ROOT, SMOKE, copy_workflow, list_planned_rules

from selectimprove.experiment.specs import RLSpec

LIBRARY = "workflow/src/selectimprove"
DRAWN = {"figure": 17, "table": 4, "claims": 1}
END = {"report": 1, "all": 1}

# What is edited, as docs/extend.md says it: file, what is replaced and by what, and the jobs that this plans.
EDITS = {
    "a comment in a script": ("workflow/scripts/dataset.py", "import argparse", "# words\nimport argparse", {}),
    "an option in the command line of a rule": ("workflow/rules/rl.smk", "--resume {params", "--resume  {params", {}),
    "a docstring in `training/grpo.py`": (f"{LIBRARY}/training/grpo.py", '"""', '"""In other words: ', {}),
    "the reward, in `tasks/rewards.py`": (f"{LIBRARY}/tasks/rewards.py", "return float(", "return 2 * float(", {}),
    "`recipe_version` of `RLSpec`": (
        f"{LIBRARY}/experiment/specs.py",
        f"    recipe_version: int = {RLSpec.recipe_version}\n\n    @property",
        f"    recipe_version: int = {RLSpec.recipe_version + 1}\n\n    @property",
        {"rl": 14, "evaluate": 37, "scores": 1, "figure": 17, "table": 3, "claims": 1, **END},
    ),
    "a default in `config.yaml`: `rl.defaults.beta`": (
        "config.yaml",
        "beta: 0.05",
        "beta: 0.06",
        {"rl": 13, "evaluate": 36, "scores": 1, "figure": 17, "table": 3, "claims": 1, **END},
    ),
    "the band of a data set, its `filter.pass_rate`": (
        "workflow/presets/smoke.yaml",
        "pass_rate: [0, 0.5]",
        "pass_rate: [0, 0.4]",
        {"filtered_dataset": 1, "rl": 1, "evaluate": 2, "scores": 1, "figure": 1, **END},
    ),
    "a color in `figures/figure4.py`": (
        f"{LIBRARY}/presentation/figures/figure4.py",
        "alpha=",
        "alpha=0.5 * ",
        {"figure": 1, **END},
    ),
    "an axis label in `figures/_style.py`": (
        f"{LIBRARY}/presentation/figures/_style.py",
        "STEP_LABEL = ",
        "STEP_LABEL = 2 * ",
        {"figure": 16, **END},
    ),
    "the docstring of `figures/figure2.py`, its caption": (
        f"{LIBRARY}/presentation/figures/figure2.py",
        '"""Figure 2: ',
        '"""Figure 2, which is: ',
        END,
    ),
    "`measurement/analysis.py`": (
        f"{LIBRARY}/measurement/analysis.py",
        "RESAMPLES = ",
        "RESAMPLES = 2 * ",
        {**DRAWN, **END},
    ),
    "a threshold in `claims.yaml`": ("workflow/claims.yaml", "above: 0.8", "above: 0.7", {"claims": 1, **END}),
    "the page of the report": ("workflow/report/report.html.j2", "<title>", "<title>The ", END),
}


@pytest.mark.parametrize(("file", "old", "new", "planned"), EDITS.values(), ids=EDITS)
def test_edit_plans_what_it_changes(checkout, file, old, new, planned):
    path = checkout / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    try:
        assert list_planned_rules(checkout, "--configfile", SMOKE) == planned
    finally:
        path.write_text(text)
    assert list_planned_rules(checkout, "--configfile", SMOKE) == {}


def test_docs_have_these_edits():
    rows = re.findall(r"^\| (.+) \| (.+) \|$", (ROOT / "docs/extend.md").read_text(encoding="utf-8"), re.MULTILINE)
    told = {edit: planned for edit, planned in rows if edit in EDITS}
    assert list(told) == list(EDITS)
    for edit, (*_, planned) in EDITS.items():
        assert told[edit].startswith("nothing") == (planned == {}), edit


def copy_results(checkout, folder):
    """Copy workflow and results; every file of the results gets a time of its own, in no order."""
    copy_workflow(folder)
    shutil.copytree(checkout / "results", folder / "results")
    files = sorted(path for path in (folder / "results").rglob("*") if path.is_file())
    for moment, file in enumerate(random.Random(0).sample(files, len(files))):
        os.utime(file, (1e9 + moment, 1e9 + moment))
    return folder


@pytest.mark.parametrize("metadata", [False, True], ids=["results alone", "with Snakemake's metadata"])
def test_copy_of_results_plans_nothing(metadata, checkout, tmp_path):
    folder = copy_results(checkout, tmp_path)
    if metadata:
        shutil.copytree(checkout / ".snakemake/metadata", folder / ".snakemake/metadata")
    assert list_planned_rules(folder, "--configfile", SMOKE) == {}


def test_copy_is_made_again_where_it_is_not_as_recorded(checkout, tmp_path):
    folder = copy_results(checkout, tmp_path)
    weights = folder / "results/smoke/rl/FB_rl_2_5/seed0/checkpoints/step2/model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    planned = list_planned_rules(folder, "--configfile", SMOKE)
    assert planned["rl"] == 2  # and the one that starts from it
    assert "sft" not in planned
    assert "dataset" not in planned
