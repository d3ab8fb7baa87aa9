"""What must hold of the machine: packages, room, a folder to write to."""

from importlib import metadata

import pytest
import yaml

from selectimprove.experiment.environment import check_environment, check_space
from selectimprove.experiment.experiment import ConfigError


def test_environment_must_have_every_pinned_package(tmp_path) -> None:
    """The version is that of what is installed, less the name of a build."""
    file = tmp_path / "environment.yaml"
    for pin in (f"pytest=={pytest.__version__}", f"torch=={metadata.version('torch').partition('+')[0]}"):
        file.write_text(yaml.safe_dump({"dependencies": ["pip", {"pip": [pin]}]}))
        check_environment(file)
    for pin, found in (("pytest==0.1", pytest.__version__), ("not-to-be-found==2.0", "none")):
        file.write_text(yaml.safe_dump({"dependencies": ["pip", {"pip": [pin]}]}))
        name, _, version = pin.partition("==")
        with pytest.raises(ConfigError, match=f"^{name}: found {found}, must be version {version}; .* `make env`"):
            check_environment(file)


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
