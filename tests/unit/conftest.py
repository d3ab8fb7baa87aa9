"""Settings of all property tests, and the tiny base model and data that tests of several rooms take."""

import os

import pytest
from hypothesis import settings

# The same examples on every run, and no time limit per example on a busy machine.
settings.register_profile("unit", max_examples=100, deadline=None, derandomize=True, database=None)
settings.register_profile("fuzz", max_examples=100_000, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "unit"))


@pytest.fixture
def base(tmp_path):
    from tiny_models import save_model  # here, since it imports torch, which few tests need

    return save_model(tmp_path / "base")


@pytest.fixture
def sft_data(tmp_path):
    from tiny_models import SFT_DATA, save_data

    return save_data(tmp_path / "sft_data", SFT_DATA)


@pytest.fixture
def rl_data(tmp_path):
    from tiny_models import RL_DATA, save_data

    return save_data(tmp_path / "rl_data", RL_DATA)
