"""What must hold of the machine: packages, room, a folder to write to."""

from importlib import metadata

import pytest
import yaml

from selectimprove.experiment.environment import check_environment, check_space, check_trackers, find_other_versions
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


def test_space_is_checked_and_nothing_is_made(tmp_path) -> None:
    results = tmp_path / "results" / "tiny"
    check_space(results, 1e-9)
    assert not results.exists()
    with pytest.raises(ConfigError, match=r"results/tiny: \d+\.\d\d GB are free, but disk_gb .* needs 1000000000$"):
        check_space(results, 10**9)


@pytest.mark.parametrize("below", ["", "results"])
def test_unwritable_folder_is_told(tmp_path, below) -> None:
    """Below a regular file no folder can be made, not even by root."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file(/results)?: cannot write here: [^\n]+$"):
        check_space(tmp_path / "file" / below, 1e-9)
