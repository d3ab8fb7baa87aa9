"""The checks that keep the code in one style, the pins in agreement, and what is installed as it was pinned."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from checkout import ROOT, run_snakemake

from selectimprove.provenance.records import digest_file


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
    constant = {"PYTHON", "SCRIPTS"}  # quoted where they are made
    commands = [
        (file.name, command)
        for file in (ROOT / "workflow/rules").glob("*.smk")
        for command in re.findall(r"    shell:\n((?: {8}.*\n)+)", file.read_text())
    ]
    assert len(commands) == 13
    for file, command in commands:
        placeholders = set(re.findall(r"{([^}]+)}", command)) - constant
        assert placeholders
        assert not [name for name in placeholders if not name.endswith(":q")], file


def test_conda_pins_equal_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = yaml.safe_load((ROOT / "envs" / "selectimprove.yaml").read_text())
    [pip] = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert sorted(pip) == sorted(project["dependencies"])


def test_requirements_have_the_pins_of_the_package_and_hashes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "envs" / "requirements.txt").read_text()
    entries = re.findall(r"^([\w.-]+==\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", text, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^[^ #\n]", text, re.MULTILINE))
    pins = {*project["dependencies"], *project["optional-dependencies"]["test"]}
    assert pins < {pin for pin, _ in entries}


def make_wheel(folder):
    """Write the wheel of a package `small` that holds one module."""
    record = "small-1.dist-info"
    with zipfile.ZipFile(folder / "small-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("small.py", "")
        wheel.writestr(f"{record}/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1\n")
        wheel.writestr(f"{record}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{record}/RECORD", f"small.py,,\n{record}/METADATA,,\n{record}/WHEEL,,\n{record}/RECORD,,\n")
        return Path(wheel.filename)


def test_package_whose_hash_is_not_the_pinned_one_is_not_installed(tmp_path):
    """By `make env` with one requirement, a wheel that is at hand."""
    wheel = make_wheel(tmp_path)
    (tmp_path / "envs").mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)

    def install(digest):
        for name, pins in {"requirements": f"small==1 --hash=sha256:{digest}\n", "smollm2": ""}.items():
            (tmp_path / f"envs/{name}.txt").write_text(pins)
        offline = {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
        command = ["make", "env", f"PYTHON={sys.executable}"]
        process = subprocess.run(command, cwd=tmp_path, env=offline, capture_output=True, text=True, check=False)
        return process.stderr, list((tmp_path / ".venv").rglob("small.py"))

    errors, installed = install("0" * 64)
    assert "DO NOT MATCH THE HASHES" in errors
    assert not installed
    errors, installed = install(digest_file(wheel))
    assert installed, errors
