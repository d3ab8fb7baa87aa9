"""Accuracy of B, F and FB after SFT and at the end of each RL run, all kinds and by kind, on one suite."""

from selectimprove.presentation.tables._accuracy import format_models, summarize_models

NEEDS = {"by_kind": True, "axes": [["model", "stage"]]}

compute = summarize_models
format_markdown = format_models
