"""Settings of all property tests: the same examples on every run, and no time limit per example on a busy machine."""

from hypothesis import settings

settings.register_profile("unit", max_examples=100, deadline=None, derandomize=True, database=None)
settings.load_profile("unit")
