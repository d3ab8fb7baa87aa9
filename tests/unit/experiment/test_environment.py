"""What must hold of the machine: packages, room, a folder to write to."""

import re
import shutil
from importlib import metadata

import pytest
import yaml

from selectimprove.experiment.environment import (
    check_container,
    check_environment,
    check_trackers,
    check_writable,
    find_other_versions,
    warn_of_space,
)
from selectimprove.experiment.experiment import ConfigError


def pin(folder, *pins):
    """Return a conda file that pins these."""
    file = folder / "environment.yaml"
    file.write_text(yaml.safe_dump({"dependencies": ["pip", {"pip": list(pins)}]}))
    return file


@pytest.mark.parametrize("strict", [False, True])
def test_environment_as_pinned_is_not_warned_of(tmp_path, strict) -> None:
    """The version is that of what is installed, less the name of a build."""
    torch = metadata.version("torch").partition("+")[0]
    assert check_environment(pin(tmp_path, f"pytest=={pytest.__version__}", f"torch=={torch}"), strict) == ""


def test_other_version_is_a_warning_unless_versions_are_strict(tmp_path) -> None:
    file = pin(tmp_path, "pytest==0.1", f"torch=={metadata.version('torch').partition('+')[0]}", "pyyaml==0.2")
    pytest_found, yaml_found = pytest.__version__, metadata.version("pyyaml")
    warning = check_environment(file, strict=False)
    others = f"pytest {pytest_found} instead of 0.1, pyyaml {yaml_found} instead of 0.2"
    assert warning.startswith(f"versions are not as pinned: {others}; results may differ")
    assert "bit for bit" in warning and "\n" not in warning
    assert find_other_versions(file) == {
        "pytest": {"found": pytest_found, "pinned": "0.1"},
        "pyyaml": {"found": yaml_found, "pinned": "0.2"},
    }
    with pytest.raises(ConfigError, match=f"^pytest: found {pytest_found}, must be version 0.1; .* `make env`"):
        check_environment(file, strict=True)


@pytest.mark.parametrize("strict", [False, True])
def test_missing_package_is_an_error(tmp_path, strict) -> None:
    """Also behind one of another version."""
    file = pin(tmp_path, "not-to-be-found==2.0") if strict else pin(tmp_path, "pytest==0.1", "not-to-be-found==2.0")
    with pytest.raises(ConfigError, match="^not-to-be-found: found none, must be version 2.0; .* `make env`"):
        check_environment(file, strict)


def test_nothing_is_pinned_without_the_file_of_pins(tmp_path) -> None:
    assert find_other_versions(tmp_path / "none.yaml") == {}


def test_tracker_that_is_not_installed_is_told(tmp_path, monkeypatch) -> None:
    """Also where a folder has its name, such as wandb leaves."""
    check_trackers([])
    check_trackers(["torch"])
    (tmp_path / "no_such_tracker").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    told = "^execution.report_to: no_such_tracker is not installed: pip install no-such-tracker, or leave it out$"
    with pytest.raises(ConfigError, match=told):
        check_trackers(["torch", "no_such_tracker"])


def test_space_is_looked_up_and_nothing_is_made(tmp_path) -> None:
    results = tmp_path / "results" / "tiny"
    assert warn_of_space(results, 1e-9) == ""
    told = r"\S+results/tiny: \d+\.\d\d GB are free, but disk_gb says that the preset needs 1000000000"
    assert re.fullmatch(told, warn_of_space(results, 10**9))
    assert not results.exists()


def test_what_was_made_before_counts_as_space(tmp_path, monkeypatch) -> None:
    """A run that goes on needs only the rest of its room."""
    (tmp_path / "rl/F/seed0").mkdir(parents=True)
    with (tmp_path / "rl/F/seed0/model.safetensors").open("wb") as file:
        file.truncate(2 * 10**9)  # takes no room on the disk
    (tmp_path / "link").symlink_to(tmp_path / "rl/F/seed0/model.safetensors")
    usage = shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    assert warn_of_space(tmp_path, 3) == ""
    told = f"{tmp_path}: 1.00 GB are free and 2.00 GB are used, but disk_gb says that the preset needs 3.5"
    assert warn_of_space(tmp_path, 3.5) == told


@pytest.mark.parametrize("below", ["", "results"])
def test_unwritable_folder_is_told(tmp_path, below) -> None:
    """Below a regular file no folder can be made, not even by root."""
    check_writable(tmp_path / "results" / "tiny")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file(/results)?: cannot write here: [^\n]+$"):
        check_writable(tmp_path / "file" / below)


def test_image_is_a_file_a_folder_or_an_address(tmp_path) -> None:
    check_container("docker://owner/image:tag")
    (tmp_path / "image.sif").touch()
    check_container(str(tmp_path / "image.sif"))
    check_container(str(tmp_path))
    with pytest.raises(ConfigError, match=r"^container: found '\S+none\.sif', which is not there; must be an image"):
        check_container(str(tmp_path / "none.sif"))
    with pytest.raises(ConfigError, match="^container: found null, must be an image, such as "):
        check_container(None)
