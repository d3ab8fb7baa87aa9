# snakemake --cores all data results/tiny/sft/FB/seed0/checkpoints && python benchmarks/sampling.py
"""Tokens a second of our sampler against transformers' `generate`, on the prompts of an RL step and on single prompts.

Both complete the same prompts greedily with the SFT model FB, in turns, on one thread. A batch is 64, 256 or 1,024
completions, eight of each prompt as in RL (`ratio`) or one of each as in evaluation (`single_ratio`). Only tokens up to
the end of a completion count. The floor is the time of the products of every weight matrix with the tokens of each
prompt, once, and of each completion: the rest is attention, norms and bookkeeping. Figures are medians.
"""

import json
import statistics
import time

import torch
from setup import prepare

from selectimprove.tasks.data import read_rows
from selectimprove.training.models import encode_prompt, load_model, load_tokenizer
from selectimprove.training.sampling import sample_completions

MAX_COMPLETION_TOKENS = 52


def generate_completions(model, tokenizer, prompts, copies, max_tokens=MAX_COMPLETION_TOKENS):
    """Complete each prompt `copies` times with model.generate; return the completions, each up to its end."""
    rows = [prompt for prompt in prompts for _ in range(copies)]
    longest = max(map(len, rows))
    padding = [longest - len(row) for row in rows]
    ids = torch.tensor([[tokenizer.pad_token_id] * pads + row for pads, row in zip(padding, rows, strict=True)])
    mask = (torch.arange(longest) >= torch.tensor(padding)[:, None]).long()
    output = model.generate(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        do_sample=False,
        max_new_tokens=max_tokens,
        use_cache=True,
    )
    completions = []
    for row in output[:, longest:].tolist():
        end = row.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in row else len(row)
        completions.append(row[:end])
    return completions


def sample_greedily(model, tokenizer, prompts, copies):
    """Complete each prompt `copies` times with our sampler."""
    return sample_completions(
        model,
        prompts,
        completions_per_prompt=copies,
        temperature=0.0,
        max_completion_tokens=MAX_COMPLETION_TOKENS,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def measure_floor(model, prompts, completions):
    """Return the seconds that the model's matrix products take for each prompt once and then token by token."""
    longest = max(map(len, completions))
    alive = [sum(len(completion) > step for completion in completions) for step in range(1, longest)]
    seconds = 0.0
    for layer in (module for module in model.modules() if isinstance(module, torch.nn.Linear)):
        inputs = torch.randn(max(sum(map(len, prompts)), len(completions)), layer.in_features)
        for tokens in (sum(map(len, prompts)), *alive):
            started = time.perf_counter()
            torch.nn.functional.linear(inputs[:tokens], layer.weight, layer.bias)
            seconds += time.perf_counter() - started
    return seconds


def main() -> None:
    arguments = prepare(__doc__, "--repeats", 5)
    tokenizer = load_tokenizer(str(arguments.checkpoint))
    model = load_model(str(arguments.checkpoint)).eval()
    encoded = [encode_prompt(tokenizer, row["prompt"]) for row in read_rows(arguments.prompts)]
    results = {"ratio": {}, "single_ratio": {}, "tokens_per_second": {}, "share_of_floor": {}, "greedy_identical": True}
    for batch in (64, 256, 1024):
        for ratio, copies in (("ratio", 8), ("single_ratio", 1)):
            prompts = encoded[: batch // copies]
            times = {"generate": [], "ours": [], "floor": []}
            for _ in range(arguments.repeats + 1):  # the first, which warms up, is left out
                started = time.perf_counter()
                reference = generate_completions(model, tokenizer, prompts, copies)
                generated = time.perf_counter()
                completions = sample_greedily(model, tokenizer, prompts, copies)
                times["generate"].append(generated - started)
                times["ours"].append(time.perf_counter() - generated)
                with torch.no_grad():
                    times["floor"].append(measure_floor(model, prompts, completions))
            seconds = {name: statistics.median(values[1:]) for name, values in times.items()}
            tokens = sum(map(len, completions))
            results["greedy_identical"] &= completions == reference
            results[ratio][batch] = round(seconds["generate"] / seconds["ours"], 2)
            if copies == 8:
                results["tokens_per_second"][batch] = round(tokens / seconds["ours"])
                results["share_of_floor"][batch] = round(seconds["floor"] / seconds["ours"], 2)
            print(
                f"batch {batch:4d}, {copies} of each prompt: generate {tokens / seconds['generate']:8,.0f} tokens/s, "
                f"ours {tokens / seconds['ours']:8,.0f} ({results[ratio][batch]} x), matrix products alone "
                f"{tokens / seconds['floor']:8,.0f}",
                flush=True,
            )
    print(json.dumps(results))


if __name__ == "__main__":
    main()
