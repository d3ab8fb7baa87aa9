"""The checks that keep the code in one style, and the pins in one place."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from checkout import ROOT, run_snakemake


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["snakefmt", "--check", "Snakefile", "workflow/rules"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_style(command):
    command = [str(Path(sys.executable).parent / command[0]), *command[1:]]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr


def test_snakemake_lint():
    process = run_snakemake(ROOT, "--lint")
    assert process.returncode == 0, process.stdout


def test_whatever_a_rule_puts_into_a_command_is_quoted():
    constant = {"threads", "input.script", "params.script"}
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        for command in re.findall(r"shell:\n((?: +\".*\"\n)+)", file.read_text()):
            placeholders = set(re.findall(r"{([^}]+)}", command)) - constant
            assert placeholders
            assert not [name for name in placeholders if not name.endswith(":q")], file


def test_conda_pins_equal_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = yaml.safe_load((ROOT / "envs" / "selectimprove.yaml").read_text())
    [pip] = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert sorted(pip) == sorted(project["dependencies"])


def test_constraints_agree_with_the_pins():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    lines = (ROOT / "envs" / "constraints.txt").read_text().splitlines()
    constrained = {line.lower() for line in lines if not line.startswith("#")}
    assert {pin.lower() for pin in pins} <= constrained
