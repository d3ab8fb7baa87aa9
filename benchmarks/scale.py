# snakemake -c1 --configfile workflow/presets/smollm2.yaml -- results/smollm2/convert/checkpoint
# python benchmarks/scale.py
"""The tables of docs/scale.md: the core of the paper preset for one seed, for every size of Qwen2.5, by counting.

Work is counted by doctor.py. Tokens are those of SmolLM2's tokenizer, which like Qwen2.5's writes digits one by one.
"""

import argparse
import itertools

from tokenizers import Tokenizer

from selectimprove.commands.doctor import count_evaluation, count_training, load_preset
from selectimprove.tasks.problems import sample_problems
from selectimprove.tasks.strategies import STRATEGIES
from selectimprove.tasks.texts import TEXT_FORMS

# Of the models' published configurations: width, feed-forward width, layers, heads, key heads, head width, whether the
# output shares the embedding's weights, vocabulary.
SHAPES = {
    "0.5B": (896, 4864, 24, 14, 2, 64, True, 151936),
    "1.5B": (1536, 8960, 28, 12, 2, 128, True, 151936),
    "3B": (2048, 11008, 36, 16, 2, 128, True, 151936),
    "7B": (3584, 18944, 28, 28, 4, 128, False, 152064),
    "14B": (5120, 13824, 48, 40, 8, 128, False, 152064),
    "32B": (5120, 27648, 64, 40, 8, 128, False, 152064),
    "72B": (8192, 29568, 80, 64, 8, 128, False, 152064),
}
PEAK = 989e12  # dense bfloat16 operations a second of an H100, from its data sheet
SHARE = 0.1  # of it that a job reaches: an assumption


def count_weights(shape: tuple, rank: int) -> tuple[int, int]:
    """Return the weights of a model and of LoRA adapters on all its linear layers but the last."""
    width, inner, layers, heads, key_heads, head, tied, vocabulary = shape
    linear = [(width, heads * head), *[(width, key_heads * head)] * 2, (heads * head, width)]
    linear += [(width, inner)] * 2 + [(inner, width)]
    biases = (heads + 2 * key_heads) * head
    layer = sum(inputs * outputs for inputs, outputs in linear) + biases + 2 * width
    adapters = layers * rank * sum(inputs + outputs for inputs, outputs in linear)
    return layers * layer + width + vocabulary * width * (1 if tied else 2), adapters


def measure_tokens(experiment, name: str, tokenizer: Tokenizer) -> tuple[float, float]:
    """Return the mean tokens of 64 prompts and completions; markers of the chat template are not counted."""
    spec = experiment.make_data_spec(name, 0)
    text = TEXT_FORMS[spec.text]
    problems = itertools.islice(sample_problems(spec.dataset, spec.task, "test", 0, text.label_pool), 64)
    counts = [
        [len(tokenizer.encode(words, add_special_tokens=False).ids) for words in (prompt, completion)]
        for problem in problems
        for prompt in [text.write_prompt(problem)]
        for completion in [text.write_completion(STRATEGIES["forward"](problem), problem.task)]
    ]
    return tuple(sum(column) / len(counts) for column in zip(*counts, strict=True))


def count_passes(experiment, tokens: dict[str, tuple[float, float]]) -> dict[str, float]:
    """Return operations a weight, by stage, of all jobs of one seed."""
    work = {"sft": 0.0, "rl": 0.0, "evaluate": 0.0}
    for run in experiment.list_runs_taken():
        work["sft" if run in experiment.sft_values else "rl"] += count_training(experiment, run, 0, tokens)
    for run, suite in experiment.list_evaluations():
        work["evaluate"] += count_evaluation(experiment, run, suite, 0, tokens)
    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", default="results/smollm2/convert/checkpoint/tokenizer.json")
    arguments = parser.parse_args()
    experiment = load_preset("paper")
    tokenizer = Tokenizer.from_file(arguments.tokenizer)
    tokens = {name: measure_tokens(experiment, name, tokenizer) for name in experiment.datasets}
    work = count_passes(experiment, tokens)
    rl_runs, sft_runs = len(experiment.rl_values), len(experiment.sft_values)
    kept = len(experiment.list_checkpoint_steps("FB_rl_6_9"))
    jobs = sft_runs + rl_runs + len(experiment.list_evaluations())
    print(f"One core: {jobs} jobs ({sft_runs} SFT, {rl_runs} RL with {kept} checkpoints each, evaluations).")
    for name, (prompt, completion) in tokens.items():
        print(f"Tokens of {name}: prompt {prompt:.0f}, completion {completion:.0f}")
    columns = ("weights (10^9)", "adapter (MB)", "kept (GB)", "SFT (h)", "RL (h)", "evaluation (h)", "all (h)")
    print(f"\n| Qwen2.5 | {' | '.join(columns)} | an RL run (h) |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    sizes = {}
    for name, shape in SHAPES.items():
        weights, adapters = count_weights(shape, experiment.make_sft_spec("F", 0).lora.rank)
        kept_gb = (rl_runs * kept * adapters * 4 + sft_runs * weights * 2) / 1e9
        hours = {stage: passes * weights / (PEAK * SHARE) / 3600 for stage, passes in work.items()}
        columns = [*hours.values(), sum(hours.values()), hours["rl"] / rl_runs]
        sizes[name] = (kept_gb / rl_runs, columns[3] / rl_runs)
        numbers = " | ".join(f"{value:.2g}" if value < 10 else f"{value:.0f}" for value in columns)
        print(f"| {name} | {weights / 1e9:.2f} | {adapters * 4 / 1e6:.0f} | {kept_gb:.0f} | {numbers} |")
    print("\n| Qwen2.5 | " + " | ".join(f"10^{power} runs" for power in range(2, 6)) + " |")
    print("|---|" + "---:|" * 4)
    for name, (gigabytes, hours) in sizes.items():
        cells = [f"{hours * 10**power:,.0f} h, {gigabytes * 10**power / 1000:,.1f} TB" for power in range(2, 6)]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
