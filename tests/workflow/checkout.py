"""A copy of the workflow to run in, and Snakemake as a user calls it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMOKE = "workflow/presets/smoke.yaml"


def copy_workflow(folder: Path) -> Path:
    """Copy what Snakemake needs to `folder`, without results."""
    shutil.copytree(ROOT / "workflow", folder / "workflow", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("envs", "profiles"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def start_snakemake(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    """Start Snakemake in `folder` on two cores; its output and errors come together on the process's stdout."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def run_snakemake(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run Snakemake as `start_snakemake` does and return the finished process."""
    process = start_snakemake(folder, *arguments, **environment)
    output, _ = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output)


def list_planned_rules(folder: Path, *arguments: str) -> dict[str, int]:
    """Return how many jobs of each rule a dry run would do; {} if there is nothing to be done."""
    process = run_snakemake(folder, *arguments, "--dry-run")
    assert process.returncode == 0, process.stdout
    if "Nothing to be done" in process.stdout:
        return {}
    table = process.stdout.split("Job stats:")[1].split("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
