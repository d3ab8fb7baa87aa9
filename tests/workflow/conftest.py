"""One whole run of the smoke preset, which the tests that only look at results share."""

import pytest
from checkout import SMOKE, copy_workflow, run_snakemake


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    folder = copy_workflow(tmp_path_factory.mktemp("smoke"))
    process = run_snakemake(folder, "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    return folder
