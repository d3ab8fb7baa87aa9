"""One problem, looked at: what a model writes for it and where that goes wrong, and the right traces.

    python -m selectimprove show --run FB_rl_6_9 --index 17
    python -m selectimprove show --run FB_rl_6_9 --step 25 --prompt "x e3 L7 + e5 L8 * e2 y ? ? y" --strategy backward

The model is a checkpoint of a run, the last one if not told, or any checkpoint folder. The problem is one of the test
split of a data set, by default the one that the checkpoint was trained on, or a prompt in the checkpoint's text form,
of the task of that data set. Failures are named as in the score tables (strategies.FAILURES).
"""

import argparse
import json
import math
import re
import textwrap
from pathlib import Path
from typing import Any

from selectimprove.presentation.marking import mark_completion
from selectimprove.provenance.records import RECORD, check_digest
from selectimprove.seeds import hash_seed
from selectimprove.tasks.data import read_rows, read_task
from selectimprove.tasks.problems import AnyProblem, make_problem
from selectimprove.tasks.rewards import CUT
from selectimprove.tasks.strategies import STRATEGIES, SUITED, read_completion, write_solution
from selectimprove.tasks.texts import TEXT_FORMS, TextForm

CHECKPOINT = re.compile(r"(?:sft|rl)/([^/]+)/seed([0-9]+)/checkpoints/step([0-9]+)")  # below the folder of results
MOST_COMPLETIONS = 256  # what sampling takes at once
LOWEST_TEMPERATURE = 0.001  # far below it, logits divided by it are no longer finite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--run", help="an SFT or RL run, such as FB_rl_6_9")
    model.add_argument("--checkpoint", type=Path, metavar="FOLDER", help="any checkpoint folder")
    parser.add_argument("--seed", type=int, help="seed of the run, or of the data for an unpacked model (default: 0)")
    parser.add_argument("--step", type=int, help="RL step of the run's checkpoint (default: the last one)")
    parser.add_argument("--results", type=Path, default=Path("results/tiny"), help="default: %(default)s")
    problem = parser.add_mutually_exclusive_group(required=True)
    problem.add_argument("--index", type=int, help="a problem of the data set's test split, counted from 0")
    problem.add_argument("--prompt", help="a prompt, as the data set's are written")
    parser.add_argument("--dataset", help="default: the one that the checkpoint was trained on")
    parser.add_argument("--strategy", choices=STRATEGIES, help="make the completions begin with this strategy")
    parser.add_argument("--completions", type=int, default=4, help="default: %(default)s")
    parser.add_argument("--temperature", type=float, default=0.7, help="0: the likeliest tokens (default: %(default)s)")
    parser.add_argument("--sampling-seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--max-completion-tokens", type=int, default=48, help="default: %(default)s")


def show_problem(arguments: argparse.Namespace) -> None:
    """Print a problem, completions of it with a verdict on each, and the right traces.

    Raises ValueError, in one sentence, if the arguments do not name a checkpoint and a problem that there are, or no
    way of sampling.
    """
    if not 1 <= arguments.completions <= MOST_COMPLETIONS:
        raise ValueError(f"--completions {arguments.completions}: from 1 to {MOST_COMPLETIONS} can be sampled")
    if arguments.temperature != 0 and not LOWEST_TEMPERATURE <= arguments.temperature < math.inf:
        raise ValueError(f"--temperature {arguments.temperature}: it is 0, or at least {LOWEST_TEMPERATURE}")
    checkpoint = arguments.checkpoint
    if checkpoint is None:
        checkpoint = find_checkpoint(arguments.results, arguments.run, arguments.seed or 0, arguments.step)
    spec = read_spec(checkpoint)
    if arguments.checkpoint and ((arguments.seed is not None and "seed" in spec) or arguments.step is not None):
        raise ValueError(f"--seed and --step choose a checkpoint of a --run, but --checkpoint {checkpoint} is one")
    text = TEXT_FORMS[spec["model"]["text"]]
    dataset = arguments.dataset or spec.get("dataset")
    data = find_dataset(arguments.results, dataset, spec.get("seed", arguments.seed or 0))
    if arguments.prompt is None:
        name, problem = read_problem(data, arguments.index)
    else:
        name, problem = f"as typed in, read as those of {data}", parse_prompt(arguments.prompt, data, text)
    completions = sample_texts(checkpoint, problem, text, arguments)
    print(f"checkpoint  {checkpoint}\nproblem     {name}\n")
    print(indent(text.write_prompt(problem)))
    print(f"{describe_problem(problem, text)}\n")
    for number, completion in enumerate(completions, 1):
        cut_off = f" Cut off after {arguments.max_completion_tokens} tokens." if completion.endswith(CUT) else ""
        print(f"Completion {number}: {describe_completion(completion, problem, text)}{cut_off}\n{indent(completion)}")
    for strategy in STRATEGIES:
        suits = f" (suits {problem.kind})" if SUITED.get(problem.kind) == strategy else ""
        print(f"Right, {strategy}{suits}:\n{indent(write_solution(problem, [strategy] * len(problem.parts), text))}")


def find_checkpoint(results: Path, run: str, seed: int, step: int | None) -> Path:
    """Return the folder of a run's checkpoint, the last one if `step` is None.

    Raises ValueError if there is none, naming what there is.
    """
    if not results.is_dir():
        raise ValueError(f"there is no folder of results {results}; --results says where it lies")
    runs: dict[str, dict[int, dict[int, Path]]] = {}
    for record in results.glob(f"*/*/seed*/checkpoints/step*/{RECORD}"):
        if match := CHECKPOINT.fullmatch(record.parent.relative_to(results).as_posix()):
            steps = runs.setdefault(match[1], {}).setdefault(int(match[2]), {})
            steps[int(match[3])] = record.parent
    seeds = choose(runs, run, f"{results} has checkpoints of the runs")
    steps = choose(seeds, seed, f"{results} has checkpoints of {run} for the seeds")
    return choose(steps, max(steps) if step is None else step, f"{run} for seed {seed} has checkpoints of the steps")


def choose(options: dict[Any, Any], key: Any, there_are: str) -> Any:
    """Return options[key]; raises ValueError, with the keys after the words `there_are`, if there is none."""
    if key not in options:
        raise ValueError(f"{there_are} {', '.join(map(str, sorted(options))) or '(none)'}, not {key}")
    return options[key]


def read_spec(checkpoint: Path) -> dict[str, Any]:
    """Return the spec in a checkpoint's record: its model; its seed, but for an unpacked model; a run's data set.

    Raises ValueError if the folder holds no record, or not the files that it was written for.
    """
    file = checkpoint / RECORD
    if not file.is_file():
        below = ", ".join(sorted(str(path.parent) for path in checkpoint.glob(f"*/{RECORD}")))
        raise ValueError(
            f"{checkpoint} is no checkpoint, it has no {RECORD}" + (f"; those in it are {below}" if below else "")
        )
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        spec = record["spec"]
        _ = TEXT_FORMS[spec["model"]["text"]], spec["model"]["source"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is not the record of a checkpoint") from error
    check_digest(checkpoint)
    return spec


def find_dataset(results: Path, dataset: str | None, seed: int) -> Path:
    """Return the folder of a data set; raises ValueError if there is none, naming those that there are."""
    if dataset is None:
        raise ValueError("--dataset is needed: a base model was trained on none")
    found = {file.parent.parent.name: file.parent for file in results.glob(f"data/*/seed{seed}/test.jsonl")}
    return choose(found, dataset, f"for the seed {seed}, {results} has the data sets")


def read_problem(data: Path, index: int) -> tuple[str, AnyProblem]:
    """Return id and problem of the test split; raises ValueError if there is none of that index."""
    rows = read_rows(data / "test.jsonl")
    if not 0 <= index < len(rows):
        raise ValueError(f"--index {index}: the test split of {data} has the problems 0 to {len(rows) - 1}")
    return rows[index]["id"], rows[index]["problem"]


def parse_prompt(prompt: str, data: Path, text: TextForm) -> AnyProblem:
    """Return the problem that a prompt states, read as those of a data set; raises ValueError if it states none."""
    _, task = read_task(data)
    try:
        return text.read_prompt(prompt, task)
    except ValueError as error:
        operations = task.operations[1], task.operations[-1]
        example = make_problem("evaluation", task, task.values[1], operations, 7 if text.label_pool else 1)
        raise ValueError(f"{error}; this is one of {task.title}: {text.write_prompt(example)!r}") from error


def sample_texts(checkpoint: Path, problem: AnyProblem, text: TextForm, arguments: argparse.Namespace) -> list[str]:
    """Return the completions that the model writes.

    Raises ValueError if the model does not know a word of the prompt, or has no room for completions of this length.
    """
    import torch
    import transformers

    from selectimprove.measurement.evaluation import begin_first_step, encode_words, sample_strategy, write_openings
    from selectimprove.training.models import decode_completion, encode_prompt, load_sampler

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model, tokenizer = load_sampler(checkpoint)
    prompt = text.write_prompt(problem)
    words = {word: tokenizer(word, add_special_tokens=False)["input_ids"] for word in prompt.split()}
    if unknown := [word for word, ids in words.items() if tokenizer.unk_token_id in ids]:
        raise ValueError(f"{checkpoint}: the model does not know these words of the prompt: {', '.join(unknown)}")
    strategy = arguments.strategy
    openings = write_openings(problem, strategy, text) if strategy else []
    forced = [encode_words(tokenizer, begin_first_step(words, problem, strategy, text)) for words in openings]
    fewest = max(map(len, forced), default=0) + 1
    most = model.config.max_position_embeddings - len(encode_prompt(tokenizer, prompt))
    if not fewest <= arguments.max_completion_tokens <= most:
        raise ValueError(
            f"--max-completion-tokens {arguments.max_completion_tokens}: from {fewest} to {most} are possible here"
        )
    torch.manual_seed(hash_seed("show", arguments.sampling_seed))
    sampled = sample_strategy(
        model,
        tokenizer,
        [problem],
        strategy,
        text,
        completions_per_prompt=arguments.completions,
        temperature=arguments.temperature,
        max_completion_tokens=arguments.max_completion_tokens,
    )
    return [decode_completion(tokenizer, tokens) for tokens in sampled]


def describe_problem(problem: AnyProblem, text: TextForm) -> str:
    """Return in words what a problem asks and what the right answer is."""
    parts = [f"{part.kind} of {count_steps(part.steps)}, asks for {part.unknown}" for part in problem.parts]
    last = problem.parts[-1]
    asked = parts[0] if len(parts) == 1 else f"{len(parts)} parts: {'; '.join(parts)}"
    answer = text.write_value(problem.answer, problem.task)
    return f"{asked[0].upper()}{asked[1:]}. Right answer: {last.unknown} = {answer}."


def count_steps(steps: int) -> str:
    return f"{steps} step" + "s" * (steps != 1)


def describe_completion(completion: str, problem: AnyProblem, text: TextForm) -> str:
    """Return the verdict: whether the answer is right, the strategy, and the first wrong step and what it should be."""
    reading = read_completion(completion, problem, text)
    strategy = {"none": "no strategy", "mixed": "mixed strategies"}.get(reading.strategy, reading.strategy)
    verdict = f"{'right' if reading.correct else 'wrong'} answer, {strategy}"
    marked = mark_completion(completion, problem, text)
    for place, piece in enumerate(marked):
        if piece.state == "wrong":
            written, expected = (f'"{words}"' if words else "nothing" for words in (piece.text, piece.expected))
            return (
                f"{verdict}. First wrong step: {name_place(place, problem)}, {reading.failure}: "
                f"{written} should be {expected}."
            )
    return f"{verdict}. All steps are right."


def name_place(place: int, problem: AnyProblem) -> str:
    """Return in words where the piece at `place`, counted from 0, of a completion stands."""
    for number, part in enumerate(problem.parts, 1):
        if place < part.steps + 2:
            name = {0: "the opening", part.steps + 1: "the answer line"}.get(place, f"step {place} of {part.steps}")
            return name if len(problem.parts) == 1 else f"part {number}, {name}"
        place -= part.steps + 2
    return "after the answer line"


def indent(lines: str) -> str:
    """Return the text indented, with an empty line after it."""
    return textwrap.indent(lines, "  ") + "\n"
