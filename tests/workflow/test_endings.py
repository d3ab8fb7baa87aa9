"""A run ends well that did what it was asked for, and what is printed at its end is of this run."""

import shlex
import subprocess
import sys
from pathlib import Path

import yaml
from checkout import SMOKE, copy_workflow, run_snakemake

OLD = "the verdicts of an older run"


def test_run_that_makes_less_than_everything_prints_no_claims(tmp_path):
    folder = copy_workflow(tmp_path)
    results = folder / "results/smoke"
    process = run_snakemake(folder, "--until", "dataset", "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    assert not (results / "claims.md").exists()
    process = run_snakemake(folder, "--touch", "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    (results / "claims.md").write_text(OLD, encoding="utf-8")
    process = run_snakemake(folder, "--until", "dataset", "--forcerun", "dataset", "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    assert process.stdout.count("(Rule: dataset)") == 14
    assert OLD not in process.stdout


def test_claims_and_places_are_printed_where_all_is_made(checkout):
    process = run_snakemake(checkout, "claims", "--forcerun", "claims", "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    assert (checkout / "results/smoke/claims.md").read_text(encoding="utf-8") in process.stdout
    assert "all on one page" not in process.stdout
    process = run_snakemake(checkout, "--forcerun", "report", "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    results = "results/smoke"
    place = f"Figures: {results}/figures; tables: {results}/tables; all on one page: {results}/report.html"
    assert place in process.stdout.splitlines()


def test_reader_of_the_list_of_runs_may_stop(tmp_path):
    """The list of 3,000 runs is longer than what a pipe holds."""
    folder = copy_workflow(tmp_path)
    grid = {"index": [str(index) for index in range(3000)]}
    runs = {"F_{index}": {"grid": grid, "start": "F", "dataset": "rl_6_9"}}
    (folder / "runs.yaml").write_text(yaml.safe_dump({"rl": runs}), encoding="utf-8")
    snakemake = shlex.quote(str(Path(sys.executable).with_name("snakemake")))
    command = f"set -o pipefail; {snakemake} list_runs --cores 1 --configfile runs.yaml | head -1"
    process = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, encoding="utf-8", timeout=300, check=False
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.split()[:2] == ["run", "start"]
    assert not list((folder / ".snakemake/locks").glob("*"))
