import pytest
from configurations import load


@pytest.fixture(scope="module")
def experiment():
    return load({})
