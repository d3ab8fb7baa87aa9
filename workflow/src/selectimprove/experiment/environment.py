"""What must hold of the machine before a run: packages are installed, as pinned or nearly so, and results have room."""

import importlib.metadata
import importlib.util
import os
import shutil
from pathlib import Path

import yaml

from selectimprove.experiment.experiment import CHECKOUT, ConfigError

CONDA_FILE = CHECKOUT / "envs" / "selectimprove.yaml"
MISSING = "none"  # the version of a package that is not installed


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
    """Return the installed version of a package, MISSING if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return MISSING


def find_other_versions(conda_file: Path = CONDA_FILE) -> dict[str, dict[str, str]]:
    """Return what was "found" (MISSING if nothing) and "pinned" for each package that is not as the conda file pins it.

    Nothing is pinned where the library is installed without its checkout.
    """
    others = {}
    for name, pinned in (read_pins(conda_file) if conda_file.is_file() else {}).items():
        found = find_version(name)
        if found.partition("+")[0] != pinned:  # the CPU build of torch is 2.13.0+cpu
            others[name] = {"found": found, "pinned": pinned}
    return others


def describe_other_versions(others: dict[str, dict[str, str]]) -> str:
    """Return the packages of find_other_versions in words: "torch 2.11.0 instead of 2.13.0"; "" if there are none."""
    return ", ".join(f"{name} {versions['found']} instead of {versions['pinned']}" for name, versions in others.items())


def warn_of_other_versions(others: dict[str, dict[str, str]]) -> str:
    """Return a sentence that warns of packages that are installed in another version than pinned; "" without any."""
    installed = {name: versions for name, versions in others.items() if versions["found"] != MISSING}
    if not installed:
        return ""
    return (
        f"versions are not as pinned: {describe_other_versions(installed)}; results may differ from those of the "
        "pinned versions, and not be theirs bit for bit; the records of all that is made say so"
    )


def check_trackers(trackers: list[str]) -> None:
    """Raise ConfigError if a tracker that execution.report_to names is not installed here."""
    for tracker in trackers:
        package = importlib.util.find_spec(tracker)
        if package is None or package.origin is None:  # a folder of that name, such as wandb makes, is no package
            name = tracker.replace("_", "-")
            raise ConfigError(f"execution.report_to: {tracker} is not installed: pip install {name}, or leave it out")


def check_environment(conda_file: Path, strict: bool) -> str:
    """Return a warning of packages of another version than the conda file pins, "" if there are none.

    Raises ConfigError if a package is missing here; strict: also if it is of another version.
    """
    others = find_other_versions(conda_file)
    for name, versions in others.items():
        if strict or versions["found"] == MISSING:
            raise ConfigError(
                f"{name}: found {versions['found']}, must be version {versions['pinned']}; complete the environment "
                "with `make env`, or with pip install --require-hashes -r envs/requirements.txt"
            )
    return warn_of_other_versions(others)
