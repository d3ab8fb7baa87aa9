"""The list of packages: it holds on each platform what the project needs there, and is what `make lock` writes."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import needs
import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "envs" / "requirements.txt"
ENTRY = re.compile(r"^([\w.-]+)==(\S+)(?: ; (.+?))?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)

# By what uv calls them: the oldest systems that the wheels of torch are for.
PLATFORMS = {
    "x86_64-manylinux_2_28": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    "aarch64-manylinux_2_28": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
    "aarch64-apple-darwin": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
}
OLDEST_MACOS = {"MACOSX_DEPLOYMENT_TARGET": "14.0"}
PYTHONS = ("3.11", "3.12", "3.13")
WITHOUT_WHEEL = {"connection-pool"}  # one module in Python, offered as source alone
CUDA = re.compile("(nvidia|cuda)-|triton")


def list_environment(platform: str, python: str) -> dict[str, str]:
    """Return the variables of markers as they are with a Python of a platform."""
    common = {"os_name": "posix", "implementation_name": "cpython", "platform_python_implementation": "CPython"}
    return {**common, **PLATFORMS[platform], "python_version": python, "python_full_version": f"{python}.9"}


def read_lock(environment: dict[str, str]) -> dict[str, str]:
    """Return the version of each package that the list has for an environment."""
    entries = ENTRY.findall(LOCK.read_text(encoding="utf-8"))
    return {name: version for name, version, marker, _ in entries if not marker or Marker(marker).evaluate(environment)}


def list_needs(package: str, version: str) -> list[str]:
    """Return the requirements of a package as it is installed; none where this version of it is not."""
    try:
        installed = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return []
    return (installed.requires or []) if installed.version.partition("+")[0] == version else []


def find_needed(environment: dict[str, str], lock: dict[str, str]) -> set[str]:
    """Return all that the project needs in an environment; the list must have each of it in a version that will do."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    todo = [(need, "the project", {""}) for need in project["dependencies"]]
    todo += [(need, "the project", {""}) for need in project["optional-dependencies"]["test"]]
    seen = set()
    while todo:
        text, needer, extras = todo.pop()
        need = Requirement(text)
        if need.marker and not any(need.marker.evaluate({**environment, "extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(need.name)
        assert name in lock, f"{needer} needs {text}, which is not in the list"
        assert need.specifier.contains(lock[name], prereleases=True), f"{needer} needs {text}, found {lock[name]}"
        if (name, frozenset(need.extras)) not in seen:
            seen.add((name, frozenset(need.extras)))
            todo += [(text, name, {"", *need.extras}) for text in list_needs(name, lock[name])]
    return {name for name, _ in seen}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_platform_has_all_it_needs_and_cuda_on_linux_alone(platform, python):
    """As the packages that are installed here tell their needs."""
    environment = list_environment(platform, python)
    lock = read_lock(environment)
    needed = find_needed(environment, lock)
    assert {"torch", "snakemake", "sympy"} < needed  # sympy: by way of torch
    assert needed <= set(lock)
    cuda = {name for name in lock if CUDA.match(name)}
    assert ("nvidia-cublas" in cuda) == (environment["sys_platform"] == "linux")
    assert not cuda or environment["sys_platform"] == "linux"


def call_uv(*arguments: str, **environment: str) -> str:
    """Return what uv says, its errors too; it must succeed."""
    command = [needs.find_uv(), "pip", *arguments]
    environment = {**os.environ, **environment}
    process = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout + process.stderr


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_platform_resolves_to_wheels_with_their_hashes(platform, python, tmp_path):
    needs.require("index")
    lock = read_lock(list_environment(platform, python))
    wheels = [word for name in lock if name not in WITHOUT_WHEEL for word in ("--only-binary", name)]
    target = ["--python", sys.executable, "--python-platform", platform, "--python-version", python]
    target += ["--target", str(tmp_path / "packages")]
    told = call_uv("install", "--dry-run", "--require-hashes", *wheels, *target, "-r", str(LOCK), **OLDEST_MACOS)
    assert dict(re.findall(r"^ \+ (\S+)==(\S+)$", told, re.MULTILINE)) == lock


def test_list_is_what_make_lock_writes(tmp_path):
    """In versions and markers; an index may have got further files of a version since."""
    needs.require("index")
    shutil.copytree(ROOT / "envs", tmp_path / "envs")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    path = f"{Path(needs.find_uv()).parent}:{os.environ['PATH']}"
    command = ["make", "lock", f"PATH={path}"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False)
    assert process.returncode == 0, process.stderr
    for name in ("requirements.txt", "smollm2.txt"):
        before, after = (
            [entry[:3] for entry in ENTRY.findall((folder / "envs" / name).read_text(encoding="utf-8"))]
            for folder in (ROOT, tmp_path)
        )
        assert before
        assert after == before
