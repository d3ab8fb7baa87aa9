"""docs/scale.md holds what benchmarks/scale.py counts."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("scale", ROOT / "benchmarks/scale.py")
scale = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(scale)

PUBLISHED = {"0.5B": 0.49, "1.5B": 1.54, "3B": 3.09, "7B": 7.61, "14B": 14.7, "32B": 32.5, "72B": 72.7}  # 10^9


@pytest.mark.parametrize("name", scale.SHAPES)
def test_counted_weights_are_the_published_and_those_of_the_page(name):
    weights, adapters = scale.count_weights(scale.SHAPES[name], rank=64)
    assert weights / 1e9 == pytest.approx(PUBLISHED[name], rel=0.01)
    page = (ROOT / "docs/scale.md").read_text()
    assert f"| {name} | {weights / 1e9:.2f} | {adapters * 4 / 1e6:.0f} |" in page
