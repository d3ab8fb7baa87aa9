"""What the benchmarks of a trained model share: its checkpoint, prompts for it, one thread, no network."""

import argparse
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported

from selectimprove.training.trainers import prepare_process


def prepare(description: str, option: str, default: int) -> argparse.Namespace:
    """Read the command line, with one option of the benchmark's own, a count, and set this process up."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--checkpoint", type=Path, default=Path("results/tiny/sft/FB/seed0/checkpoints/step0"))
    parser.add_argument("--prompts", type=Path, default=Path("results/tiny/data/rl_6_9/seed0/train.jsonl"))
    parser.add_argument(option, type=int, default=default)
    prepare_process(threads=1)
    return parser.parse_args()
