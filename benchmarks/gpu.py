# P=smollm2_short; snakemake -c all --configfile workflow/presets/$P.yaml -- data results/$P/sft/FB/seed0/checkpoints
# python benchmarks/gpu.py
"""What the GPU gives: sampling against `generate`, and an RL step against TRL's stock GRPOTrainer, in one process run.

Both sides complete the prompts of an RL step of the preset smollm2_short, 256 completions, greedily and of one length
(end-of-sequence tokens are passed over), in turns; then train from the same weights in turns of a few steps. A step is
everything from sampling to the optimizer's update. Memory is the most that was allocated. Operations are counted as
`doctor` counts them, and set against a large bfloat16 product, measured here. Figures are medians.
"""

import dataclasses
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch
from sampling import generate_completions
from setup import STEPS_A_TURN, compare_trainers, prepare
from transformers import PrinterCallback
from trl import GRPOTrainer

from selectimprove.commands.doctor import OPERATIONS, load_preset
from selectimprove.tasks.data import read_rows
from selectimprove.training import grpo
from selectimprove.training.models import encode_prompt, load_model, load_tokenizer
from selectimprove.training.sampling import Sampler

PRESET, RUN = "smollm2_short", "FB_rl_6_9"
PRODUCT_SIZE = 8192


class StockTrainer(GRPOTrainer):
    """TRL's trainer, given the prompts through the chat template, as ours gives them."""

    _tokenize_prompts = grpo.SharedPromptTrainer._tokenize_prompts


def measure_products(repeats: int = 20) -> float:
    """Return the operations a second of a large bfloat16 product."""
    factor = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE, dtype=torch.bfloat16, device="cuda")
    for _ in range(2):  # the first round warms up
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(repeats):
            factor @ factor
        torch.cuda.synchronize()
    return OPERATIONS * PRODUCT_SIZE**3 * repeats / (time.perf_counter() - started)


def compare_sampling(checkpoint: Path, prompts: list[str], copies: int, max_tokens: int, repeats: int) -> dict:
    """Return tokens a second of our sampler and of generate, in bfloat16, the ratio, and the share of equal tokens."""
    tokenizer = load_tokenizer(str(checkpoint))
    model = load_model(str(checkpoint)).eval().cuda()
    model.generation_config.eos_token_id = None  # all completions have the same length
    encoded = [encode_prompt(tokenizer, prompt) for prompt in prompts]
    sampler = Sampler(
        model,
        temperature=0.0,
        max_completion_tokens=max_tokens,
        eos_token_id=-1,
        pad_token_id=tokenizer.pad_token_id,
    )
    ways = {
        "generate": lambda: generate_completions(model, tokenizer, encoded, copies, max_tokens),
        "ours": lambda: sampler.sample(encoded, copies),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    completions = {}
    for _ in range(repeats + 1):  # the first, which warms up and captures, is left out
        for name, way in ways.items():
            torch.cuda.synchronize()
            started = time.perf_counter()
            completions[name] = way()
            torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    tokens = len(encoded) * copies * max_tokens
    pairs = zip(completions["ours"], completions["generate"], strict=True)
    equal = sum(ours[: len(other)] == other for ours, other in pairs) / (len(encoded) * copies)
    return {
        "sampling_ratio": round(medians["generate"] / medians["ours"], 2),
        "first_call_seconds": round(seconds["ours"][0], 2),
        "milliseconds_a_token": {name: round(1000 * value / max_tokens, 2) for name, value in medians.items()},
        "tokens_a_second": {name: round(tokens / value) for name, value in medians.items()},
        "greedy_completions_equal": round(equal, 3),
    }


def compare_steps(checkpoint: Path, rows: list[dict], turns: int) -> dict:
    """Return the seconds of an RL step of both trainers, the most memory each took, and ours against products."""
    declared = load_preset(PRESET).make_rl_spec(RUN, 0)
    spec = dataclasses.replace(declared, updates=STEPS_A_TURN, checkpoint_every=STEPS_A_TURN + 1)
    memory = {}
    with tempfile.TemporaryDirectory() as folder:
        trainers = {}
        for name, trainer_class in (("stock", StockTrainer), ("ours", grpo.SharedPromptTrainer)):
            trainers[name] = grpo.make_trainer(spec, checkpoint, rows, Path(folder) / name, trainer_class)
            trainers[name].remove_callback(PrinterCallback)
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            trainers[name].train()  # alone, before the turns
            memory[name] = round((torch.cuda.max_memory_allocated() - before) / 1e9, 2)
        result = compare_trainers(trainers, turns)
        lengths = [
            entry["completions/mean_length"] for entry in trainers["ours"].state.log_history if "reward" in entry
        ]
        tokenizer = load_tokenizer(str(checkpoint))
        prompt = statistics.mean(len(encode_prompt(tokenizer, row["prompt"])) for row in rows[:64])
        completions = spec.completions_per_prompt * statistics.mean(lengths)
        # Sampling and the reference are one pass each, the policy is one pass and twice as much back.
        work = 5 * OPERATIONS * trainers["ours"].model.num_parameters() * spec.prompts_per_step * (prompt + completions)
    share = work / result["ours_seconds"] / measure_products()
    names = {"ratio": "step_ratio", "stock_seconds": "stock_step_seconds", "ours_seconds": "step_seconds"}
    result = {names[name]: value for name, value in result.items()}
    return result | {"peak_memory_gb": memory, "step_share_of_products": round(share, 3)}


def main() -> None:
    arguments = prepare(__doc__, "--turns", 2, preset=PRESET)
    if not torch.cuda.is_available():
        raise SystemExit("benchmarks/gpu.py: there is no GPU")
    rows = read_rows(arguments.prompts)
    spec = load_preset(PRESET).make_rl_spec(RUN, 0)
    prompts = [row["prompt"] for row in rows[: spec.prompts_per_step]]
    results = {"device": torch.cuda.get_device_name()}
    results |= compare_sampling(arguments.checkpoint, prompts, spec.completions_per_prompt, 128, arguments.turns)
    print(json.dumps(results), flush=True)
    print(json.dumps(results | compare_steps(arguments.checkpoint, rows, arguments.turns)))


if __name__ == "__main__":
    main()
