"""One process of an RL job whose completions and rewards depend on the prompts alone, for test_processes.py.

    python rl_process.py SPEC START TRAIN FOLDER

Sampled completions would differ with the number of processes: each draws from random numbers of its own.
"""

import os
import sys
from pathlib import Path

from selectimprove.experiment.specs import RLSpec, parse_spec
from selectimprove.files import write_json
from selectimprove.training import grpo, trainers


def write_completions(trainer, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False):
    """Stand in for sampling: every completion is of another length and other tokens than the others of its prompt."""
    completions = []
    for position, ids in enumerate(prompt_ids):
        at = position % num_generations
        completions.append([3 + (sum(ids) + place * (2 + at)) % 20 for place in range(4 + at)])
    return completions, None


def main(spec: str, start: str, train: str, folder: str) -> None:
    seen = []

    def make_reward(rows, tokenizer, text):
        def reward(completion_ids, row, **_):
            seen.append(row)
            return [float(ids[1] % 2) for ids in completion_ids]

        return reward

    grpo.make_reward = make_reward
    grpo.SharedPromptTrainer._generate_single_turn = write_completions
    folder = Path(folder)
    spec = parse_spec(RLSpec, spec)
    trainers.prepare_process(spec.threads, spec.processes)
    folders = [folder / f"step{step}" for step in spec.checkpoint_steps]
    grpo.train(spec, Path(start), Path(train), folders, folder / "metrics.csv", folder / "resume")
    write_json(folder / f"rows{os.environ.get('RANK', '0')}.json", seen)


if __name__ == "__main__":
    main(*sys.argv[1:])
