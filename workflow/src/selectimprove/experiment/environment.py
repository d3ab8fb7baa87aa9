"""What must hold of the machine before a run: the pinned packages are installed, and the results have room."""

import importlib.metadata
import os
import shutil
from pathlib import Path

import yaml

from selectimprove.experiment.experiment import ConfigError


def check_checkout(checkout: Path) -> None:
    """Raise ConfigError if the path of the checkout has what PYTHONPATH (:) or Snakemake ({}) takes for its own."""
    found = next((character for character in ":{}" if character in str(checkout)), None)
    if found:
        raise ConfigError(f"{checkout}: the path of the checkout has a {found!r}, must be without any of : {{ }}")


def check_space(results: Path, needed_gb: float) -> None:
    """Raise ConfigError if `results` cannot be written to or its disk has less than `needed_gb` GB free."""
    place = next(folder for folder in (results, *results.absolute().parents) if folder.exists())
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        raise ConfigError(f"{results}: cannot write here: {place} is not a folder that this user may write to")
    free_gb = shutil.disk_usage(place).free / 1e9
    if free_gb < needed_gb:
        raise ConfigError(f"{results}: {free_gb:.2f} GB are free, but disk_gb says that the preset needs {needed_gb}")


def read_pins(conda_file: Path) -> dict[str, str]:
    """Return the version of each package that the conda file pins for pip."""
    entries = yaml.safe_load(conda_file.read_text(encoding="utf-8"))["dependencies"]
    [pins] = [entry["pip"] for entry in entries if isinstance(entry, dict)]
    return dict(pin.split("==") for pin in pins)


def find_version(package: str) -> str:
    """Return the installed version of a package, "none" if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def find_other_versions(pins: dict[str, str]) -> dict[str, str]:
    """Return the installed version, or "none", of each package that is not as pinned."""
    others = {}
    for name, pinned in pins.items():
        found = find_version(name)
        if found.partition("+")[0] != pinned:  # the CPU build of torch is 2.13.0+cpu
            others[name] = found
    return others


def check_environment(conda_file: Path) -> None:
    """Raise ConfigError if a package that the conda file pins is missing here, or of another version."""
    pins = read_pins(conda_file)
    for name, found in find_other_versions(pins).items():
        raise ConfigError(
            f"{name}: found {found}, must be version {pins[name]}; complete the environment with `make env`, or with "
            "pip install --require-hashes -r envs/requirements.txt"
        )
