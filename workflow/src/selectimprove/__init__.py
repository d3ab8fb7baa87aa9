"""Reproduction of "Select and Improve: Understanding the Mechanics of Post-Training for Reasoning" (arXiv 2606.13125).

The library behind the workflow: the task, the training stages, evaluation, figures. It knows nothing of Snakemake.
"""

import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read once, when the hub's library is imported
