"""One whole run of the smoke preset, which the tests that only look at results share."""

import pytest
from checkout import SMOKE, copy_workflow, run_snakemake


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    folder = copy_workflow(tmp_path_factory.mktemp("smoke"))
    process = run_snakemake(folder, "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    return folder


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the groups
def pytest_collection_modifyitems(items):
    """Let one process run the tests that share a cluster, or a run, where several processes share the tests."""
    for item in items:
        if "cluster" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("slurm"))
        elif "checkout" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("smoke"))
