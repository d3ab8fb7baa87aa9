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
    entries = re.findall(r"^([\w.-]+==\S+)( ; .+?)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+$", text, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^[^ #\n]", text, re.MULTILINE))
    pins = {*project["dependencies"], *project["optional-dependencies"]["test"]}
    assert pins < {pin for pin, marker in entries if not marker}


def make_wheel(folder, package="small", version="1"):
    """Write the wheel of a package that holds one module, which tells the version."""
    record = f"{package}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{package}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{package}.py", f"version = {version!r}")
        wheel.writestr(f"{record}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        wheel.writestr(f"{record}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        files = (f"{package}.py", f"{record}/METADATA", f"{record}/WHEEL", f"{record}/RECORD")
        wheel.writestr(f"{record}/RECORD", "".join(f"{file},,\n" for file in files))
        return Path(wheel.filename)


def make_env(folder, pins, *variables, **environment):
    """Call `make env` in a folder with these pins as its list; return its output and the modules it installed."""
    (folder / "envs").mkdir(exist_ok=True)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    for name, text in {"requirements": pins, "smollm2": ""}.items():
        (folder / f"envs/{name}.txt").write_text(text)
    process = subprocess.run(
        ["make", "env", f"PYTHON={sys.executable}", *variables],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    installed = {file.stem: file.read_text() for file in (folder / ".venv").glob("lib/python*/site-packages/*.py")}
    return process.stdout, installed


def test_package_whose_hash_is_not_the_pinned_one_is_not_installed(tmp_path):
    """By `make env` with one requirement, a wheel that is at hand."""
    wheel = make_wheel(tmp_path)
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    output, installed = make_env(tmp_path, f"small==1 --hash=sha256:{'0' * 64}\n", **offline)
    assert "DO NOT MATCH THE HASHES" in output
    assert "small" not in installed
    output, installed = make_env(tmp_path, f"small==1 --hash=sha256:{digest_file(wheel)}\n", **offline)
    assert "small" in installed, output


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch comes without CUDA")
@pytest.mark.parametrize("gpu", ["", "/dev/nvidia0"])
def test_make_env_leaves_cuda_out_where_no_gpu_is_found_and_an_index_has_the_other_torch(gpu, tmp_path):
    """The index and the wheels of the list are folders."""
    wheels = [make_wheel(tmp_path, package) for package in ("torch", "small", "nvidia_small", "triton")]
    pins = "".join(
        f"{file.name.split('-')[0].replace('_', '-')}==1 ; sys_platform == 'linux' \\\n"
        f"    --hash=sha256:{digest_file(file)}\n"
        for file in wheels
    )
    index = tmp_path / "index"
    (index / "torch").mkdir(parents=True)
    cpu = make_wheel(index / "torch", "torch", "1+cpu")
    (index / "torch/index.html").write_text(f'<a href="{cpu.name}">{cpu.name}</a>')
    links = {"PIP_FIND_LINKS": str(tmp_path), "PIP_INDEX_URL": (tmp_path / "none").as_uri()}
    output, installed = make_env(tmp_path, pins, f"GPU={gpu}", f"CPU_INDEX={index.as_uri()}", **links)
    names = {name for name in installed if name in ("torch", "small", "nvidia_small", "triton")}
    if gpu:
        assert "no NVIDIA GPU was found" not in output
        assert names == {"torch", "small", "nvidia_small", "triton"}, output
        assert installed["torch"] == "version = '1'"
    else:
        assert f"make env: no NVIDIA GPU was found: torch is its CPU build, from {index.as_uri()}\n" in output
        assert names == {"torch", "small"}, output
        assert installed["torch"] == "version = '1+cpu'"


@pytest.mark.parametrize(("gpu", "told"), [("", sys.platform == "linux"), ("/dev/nvidia0", False)])
def test_make_env_tells_of_cuda_that_nothing_will_use(gpu, told):
    command = ["make", "--dry-run", "--always-make", "env", f"GPU={gpu}", "CPU_INDEX="]
    commands = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True).stdout
    assert " --require-hashes -r envs/requirements.txt\n" in commands
    assert ("no NVIDIA GPU was found, but torch comes with some 4 GB for one" in commands) == told
