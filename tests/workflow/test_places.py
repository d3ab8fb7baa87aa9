"""Where and how Snakemake is called: other folders, paths, cores and environments give the same bytes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, SMOKE, copy_workflow, run_snakemake

BARE_PATH = "/usr/bin:/bin"  # no Python with the packages
ODD_NAME = "a $b `c` 'd'"
TARGETS = ["results/smoke/tables/rl_ablation.md", "results/smoke/figures/rl_heatmap.pdf"]
HOSTILE = {
    **{"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "PMI_SIZE": "2", "MASTER_PORT": "1"},
    **{"OMP_NUM_THREADS": "3", "OMP_THREAD_LIMIT": "1", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    **{"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "2", "PYTHONHASHSEED": "7"},
    **{"TZ": "Asia/Tokyo", "LC_ALL": "C", "MPLBACKEND": "none"},
}


def compare(folder, other):
    """Check that what was made in `folder` is what is in `other`; times lie apart, in logs and benchmarks."""
    results = folder / "results/smoke"
    made = [path.relative_to(results) for path in results.rglob("*") if path.is_file()]
    kept = [path for path in made if path.parts[0] not in ("logs", "benchmarks", ".folder")]
    assert [
        path for path in kept if (results / path).read_bytes() != (other / "results/smoke" / path).read_bytes()
    ] == []
    assert {path.parts[0] for path in kept} == {"data", "pretrain", "sft", "rl", "evaluation", "tables", "figures"}
    kinds = (".jsonl", ".safetensors", ".parquet", ".csv", ".json", ".md", ".pdf", ".png")
    assert {path.suffix for path in kept} >= set(kinds)
    assert len([path for path in made if path.parts[0] == "benchmarks"]) == 11


def test_one_core_in_another_folder_from_a_path_of_odd_characters(checkout, tmp_path):
    """Called by the path of its program alone, from a shell that knows no Python with the packages."""
    odd, elsewhere = copy_workflow(tmp_path / ODD_NAME), tmp_path / "elsewhere"
    elsewhere.mkdir()
    before = sorted(path for path in odd.rglob("*") if "__pycache__" not in path.parts)
    command = [Path(sys.executable).with_name("snakemake"), "--cores", "1", *TARGETS]
    command += ["-s", odd / "Snakefile", "--directory", elsewhere, "--configfile", odd / SMOKE]
    environment = {name: os.environ[name] for name in ("HOME", "OPENBLAS_CORETYPE") if name in os.environ}
    environment["PATH"] = BARE_PATH
    process = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    compare(elsewhere, checkout)
    assert sorted(path for path in odd.rglob("*") if "__pycache__" not in path.parts) == before


def test_hostile_environment(checkout, tmp_path):
    folder = copy_workflow(tmp_path)
    process = run_snakemake(folder, *TARGETS, "--configfile", SMOKE, **HOSTILE)
    assert process.returncode == 0, process.stdout
    compare(folder, checkout)


@pytest.mark.parametrize("name", ["a:b", "a{b", "a}b"])
def test_path_of_the_checkout_that_jobs_could_not_use_is_refused(name, tmp_path):
    process = run_snakemake(copy_workflow(tmp_path / name), "--dry-run")
    assert process.returncode != 0
    assert f"{tmp_path}/{name}: the path of the checkout has a '{name[1]}', must be without any" in process.stdout


@pytest.mark.parametrize(
    "snakefile",
    [
        'module one:\n    snakefile: "{root}/Snakefile"\n    config: config\n\nuse rule * from one as one_*\n',
        'include: "{root}/Snakefile"\n',
    ],
    ids=["module", "include"],
)
def test_part_of_another_workflow_is_refused(snakefile, tmp_path):
    (tmp_path / "Snakefile").write_text(snakefile.format(root=ROOT))
    process = run_snakemake(tmp_path, "--dry-run")
    assert process.returncode != 0
    assert "this workflow cannot be part of another one: call its Snakefile itself" in process.stdout


def test_a_run_says_what_each_job_does(checkout):
    log = min((checkout / ".snakemake/log").glob("*.snakemake.log"))
    told = re.findall(r"^Job \d+: (.*)$", log.read_text(), re.MULTILINE)
    assert len(told) == len(set(told))
    assert {
        "Data: rl_6_9, seed 0: 112 problems of 6-9 steps",
        "Pretraining: gf11_parts, seed 0: 20 updates on GF(11)",
        "SFT: FB, seed 0: 1 epoch of 256 pairs, 2-5 steps",
        "RL: parts_1_2_rl_3_5, seed 0: 3 RL steps on 3-5 parts of 2-3 steps from parts_1_2",
        "Evaluation: FB_rl_6_9, seed 0: 2 checkpoints on 32 problems of steps_6_9",
        "Figure: figure2",
        "Everything of the preset smoke is made",
    } <= set(told)
    assert "--spec" not in log.read_text()


def test_log_of_a_job_begins_with_its_command_as_it_is_called_by_hand(checkout, tmp_path):
    shutil.copytree(checkout / "results/smoke/logs", tmp_path / "results/smoke/logs")
    log = tmp_path / "results/smoke/logs/dataset/rl_6_9_seed0.log"
    command = log.read_text().splitlines()[0].removeprefix("+ ")
    environment = {**os.environ, "PYTHONPATH": str(checkout / "workflow/src")}
    subprocess.run(command, shell=True, cwd=tmp_path, env=environment, check=True)
    for name in ("train.jsonl", "test.jsonl", "task.json", "provenance.json"):
        file = f"results/smoke/data/rl_6_9/seed0/{name}"
        assert (tmp_path / file).read_bytes() == (checkout / file).read_bytes()
