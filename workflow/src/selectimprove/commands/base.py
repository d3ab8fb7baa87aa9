"""What a pretrained base can execute, before any SFT: logs that it gets right from end to end.

Each log is new to the base and of one direction and one number of steps. The base is fed the right words up to each
place, and the log counts as right if its most probable word is the right one at every place that has loss. What is
below 100 % here, SFT unlearns first and RL does not bring back (docs/tiny-recipe.md).
"""

import dataclasses
import json
from pathlib import Path

import pandas as pd
import torch
from torch.nn.utils.rnn import pad_sequence

from selectimprove.experiment.specs import PretrainSpec, StepsSpec, build_spec
from selectimprove.provenance.records import RECORD
from selectimprove.tasks.strategies import STRATEGIES
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.terminal import print_text
from selectimprove.training.models import load_model, load_tokenizer
from selectimprove.training.pretrain import encode_log
from selectimprove.training.trainers import IGNORED


def read_base_spec(checkpoint: Path) -> PretrainSpec:
    """Return the spec in a base's record. Raises ValueError if the workflow has not pretrained what is there."""
    record = Path(checkpoint) / RECORD
    if not record.is_file():
        raise ValueError(f"{checkpoint}: there is no {RECORD} here; must be the checkpoint of a pretrained base")
    values = json.loads(record.read_text(encoding="utf-8"))["spec"]
    if set(values) != {field.name for field in dataclasses.fields(PretrainSpec)}:
        raise ValueError(
            f"{checkpoint}: this is no base that this version of the workflow pretrained, as its {RECORD} says"
        )
    return build_spec(PretrainSpec, values)


@torch.inference_mode()
def measure_logs(checkpoint: Path, direction: str, steps: int, logs: int) -> float:
    """Return the share of `logs` new logs of so many steps a part that the base gets right, each as a whole."""
    spec = read_base_spec(checkpoint)
    lengths = StepsSpec(forward=(steps, steps), backward=(steps, steps))
    asked = dataclasses.replace(spec, quoted_share=0, forward_share=float(direction == "forward"), steps=lengths)
    tokenizer, model = load_tokenizer(str(checkpoint)), load_model(str(checkpoint)).eval()
    met = spec.updates * spec.logs_per_update
    rows = [encode_log(asked, index, tokenizer) for index in range(met, met + logs)]
    ids, labels = (
        pad_sequence([torch.tensor(row[name]) for row in rows], batch_first=True, padding_value=padding)
        for name, padding in (("input_ids", tokenizer.pad_token_id), ("labels", IGNORED))
    )
    said = model(input_ids=ids.to(model.device)).logits[:, :-1].argmax(-1).cpu()
    return ((said == labels[:, 1:]) | (labels[:, 1:] == IGNORED)).all(1).float().mean().item()


def print_base(checkpoints: list[Path], steps: list[int], logs: int) -> None:
    """Print a table of each base's logs.

    Raises ValueError if a folder holds no base that the workflow pretrained, or if its labels are too few.
    """
    for checkpoint in checkpoints:
        parts, pool = read_base_spec(checkpoint).parts[1], SymbolicText.label_pool
        if parts * max(steps) > pool:
            raise ValueError(f"--steps {max(steps)}: {parts} parts of so many steps need more than the {pool} labels")
        shares = {
            direction: [100 * measure_logs(checkpoint, direction, length, logs) for length in steps]
            for direction in STRATEGIES
        }
        table = pd.DataFrame(shares, index=pd.Index(steps, name="steps")).T
        print_text(f"{checkpoint}: right of {logs} logs, in %, by steps\n{table.to_string(float_format='%.0f')}")
