"""What this machine has, and what a preset would need of it in time and memory.

    python -m selectimprove doctor --preset smollm2

The work of a job is counted in multiplications and additions: 2 a weight and token that pass through the model, twice
that on the way back, of which LoRA saves half. Time is work over a rate. The rate of a stage is that of the preset's
own jobs so far, from results/<preset>/benchmarks; where there are none, it is the speed of this machine's matrix
products, measured in a second, which no model reaches: such a time is told as "at least".
"""

import importlib.util
import itertools
import os
import platform
import shutil
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import pandas as pd
import psutil
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from selectimprove.experiment.config import DEFAULT_PRESET, PRESETS, find_packaged_file, load_files
from selectimprove.experiment.environment import (
    CONDA_FILE,
    MISSING,
    describe_other_versions,
    find_other_versions,
    read_pins,
    warn_of_other_versions,
)
from selectimprove.experiment.experiment import Experiment
from selectimprove.experiment.specs import LoraSpec, ModelSpec, RLSpec
from selectimprove.provenance.records import find_commit
from selectimprove.tasks.problems import sample_problems
from selectimprove.tasks.registry import make_task
from selectimprove.tasks.strategies import write_solution
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.tasks.task import Task
from selectimprove.tasks.texts import TEXT_FORMS
from selectimprove.training.models import create_model, create_tokenizer, encode_completion, encode_prompt, find_dtype

MEASURED_PROBLEMS = 32  # of a data set, whose mean lengths stand for all
OPERATIONS = 2  # a multiplication and an addition, for each weight and token
BYTES_TRAINED = 4 + 4 + 8  # of a trained weight in float32: itself, its gradient, the two moments of AdamW
REPEATED = 1.0  # seconds that the speed of matrix products is measured for


@dataclass(frozen=True)
class Job:
    """A job that trains, measures pass rates or evaluates.

    benchmark: its file below the benchmarks folder; work: in operations; memory: bytes of weights, gradients and
    optimizer state; activations come on top.
    """

    stage: str
    benchmark: str
    work: float
    memory: float


def load_preset(name: str) -> Experiment:
    """Return the experiment of a preset. Raises ValueError if there is none of that name or it is not in order."""
    presets = {file.stem: file for file in sorted(PRESETS.glob("*.yaml"))}
    if name != DEFAULT_PRESET and name not in presets:
        raise ValueError(f"--preset {name}: not known; allowed are {', '.join([DEFAULT_PRESET, *presets])}")
    return load_files([] if name == DEFAULT_PRESET else [presets[name]])


def count_cores() -> int | None:
    """Return how many cores this process may use; on macOS, which does not tell that, how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def describe_machine() -> dict[str, str]:
    """Return what was found: processors, memory, disk, GPUs, versions against the pins, hub, scheduler."""
    gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    vllm = importlib.util.find_spec("vllm") is not None
    sbatch = shutil.which("sbatch")
    plugin = importlib.util.find_spec("snakemake_executor_plugin_slurm") is not None
    return {
        "code": find_commit(),
        "processors": f"{count_cores()} cores, {platform.machine()}",
        "memory": f"{psutil.virtual_memory().available / 1e9:.1f} of {psutil.virtual_memory().total / 1e9:.1f} GB free",
        "disk": f"{shutil.disk_usage('.').free / 1e9:.1f} GB free here",
        "GPUs": ", ".join(f"{gpu.name} ({gpu.total_memory / 1e9:.0f} GB)" for gpu in gpus) or "none",
        "vLLM": "installed" if vllm else "not installed",
        "versions": describe_versions(),
        "hub": find_hub(),
        "Slurm": f"{sbatch or 'no sbatch'}, Snakemake's plugin {'is' if plugin else 'is not'} installed",
    }


def describe_versions() -> str:
    """Return which packages are missing, which is an error, or of another version than pinned, of which it warns."""
    others = find_other_versions()
    missing = {name: versions for name, versions in others.items() if versions["found"] == MISSING}
    told = [f"error: missing: {describe_other_versions(missing)}"] if missing else []
    told += [f"warning: {warning}"] if (warning := warn_of_other_versions(others)) else []
    return "; ".join(told) or f"all {len(read_pins(CONDA_FILE))} as pinned"


def find_hub() -> str:
    """Return whether the model hub answers."""
    try:
        with urllib.request.urlopen(huggingface_hub.constants.ENDPOINT, timeout=5) as answer:
            return f"answers with status {answer.status}"
    except OSError as error:
        return f"does not answer ({error})"


def load_shape(model: ModelSpec, task: Task, offline: bool) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the base model without its weights, and its tokenizer; offline: the hub is not to be asked.

    Raises ValueError if the hub, or what was fetched from it before, does not give them.
    """
    if model.source == "scratch":
        tokenizer = create_tokenizer(task)
        with torch.device("meta"):
            return create_model(model.architecture, tokenizer), tokenizer
    options: dict[str, Any] = {"revision": model.revision, "local_files_only": offline}
    source = model.source
    if model.is_packaged:
        file = find_packaged_file(source)
        source, options = str(file.parent), {"gguf_file": file.name}
    try:
        config = AutoConfig.from_pretrained(source, **options)
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
    except OSError as error:
        raise ValueError(f"{source}: its size is not known, since the hub gave no configuration of it") from error
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config), tokenizer


def count_trained(model: PreTrainedModel, lora: LoraSpec | None) -> int:
    """Return how many weights are trained: all, or those of adapters on all linear layers but the last."""
    if lora is None:
        return model.num_parameters()
    layers = [layer for layer in model.base_model.modules() if isinstance(layer, torch.nn.Linear)]
    return sum(lora.rank * (layer.in_features + layer.out_features) for layer in layers)


def count_training(experiment: Experiment, run: str, seed: int, tokens: dict[str, tuple[float, float]]) -> float:
    """Return the operations a weight in training a run; tokens: of a prompt and a completion, by data set."""
    spec = experiment.make_run_spec(run, seed)
    prompt, completion = tokens[spec.dataset]
    both_ways = OPERATIONS * (3 if spec.lora is None else 2)
    if isinstance(spec, RLSpec):
        # Sampling and, with a KL term, the reference are one pass each; the policy is one both ways.
        passes = OPERATIONS * (2 if spec.beta else 1) + both_ways
        return passes * spec.updates * spec.prompts_per_step * (prompt + spec.completions_per_prompt * completion)
    return both_ways * spec.epochs * experiment.datasets[spec.dataset].sizes["train"] * (prompt + completion)


def count_evaluation(
    experiment: Experiment, run: str, suite_name: str, seed: int, tokens: dict[str, tuple[float, float]]
) -> float:
    """Return the operations a weight in evaluating a run on a suite; tokens: as for count_training."""
    spec = experiment.make_evaluation_spec(run, suite_name, seed)
    suite = spec.suite
    prompt, completion = tokens[suite.dataset]
    problems = suite.problems or experiment.datasets[suite.dataset].sizes["test"]
    rounds = len(spec.checkpoint_steps) * max(1, len(suite.forced_strategies))
    return OPERATIONS * rounds * problems * (prompt + suite.completions_per_problem * completion)


def count_pass_rates(
    experiment: Experiment, run: str, dataset: str, seed: int, tokens: dict[str, tuple[float, float]]
) -> float:
    """Return the operations a weight in measuring a run's pass rates on a data set; tokens: as for count_training."""
    prompt, completion = tokens[dataset]
    samples = experiment.make_pass_rate_spec(run, dataset, seed).samples
    return OPERATIONS * experiment.datasets[dataset].sizes["train"] * (prompt + samples * completion)


class Estimator:
    """The jobs of an experiment, and the work in each."""

    def __init__(self, experiment: Experiment, offline: bool):
        self.experiment = experiment
        tasks = [make_task(spec, experiment.seeds[0]) for spec in experiment.tasks.values()]
        largest = max(tasks, key=lambda task: len(SymbolicText().vocabulary(task)))
        shapes = {model: load_shape(model, largest, offline) for model in dict.fromkeys(experiment.models.values())}
        self.models = {task: shapes[model][0] for task, model in experiment.models.items()}
        _, self.tokenizer = next(iter(shapes.values()))
        self.tokens = {name: self.measure_tokens(name) for name in experiment.datasets}

    def measure_tokens(self, name: str) -> tuple[float, float]:
        """Return the mean numbers of tokens of a data set's prompts, or of its candidates, and of right completions."""
        if name in self.experiment.filters:
            name = self.experiment.filters[name].candidates
        spec = self.experiment.make_data_spec(name, self.experiment.seeds[0])
        text = TEXT_FORMS[spec.text]
        problems = sample_problems(spec.dataset, spec.task, "test", spec.seed, text.label_pool)
        prompts, completions = [], []
        for problem in itertools.islice(problems, MEASURED_PROBLEMS):
            solution = write_solution(problem, ["forward"] * len(problem.parts), text)
            prompts.append(len(encode_prompt(self.tokenizer, text.write_prompt(problem))))
            completions.append(len(encode_completion(self.tokenizer, solution)))
        return sum(prompts) / len(prompts), sum(completions) / len(completions)

    def list_weights(self) -> list[int]:
        """Return how many weights the models have, each size once."""
        return sorted({model.num_parameters() for model in self.models.values()})

    def find_model(self, run: str) -> PreTrainedModel:
        """Return the model of a run, without its weights."""
        return self.models[self.experiment.find_task(run)]

    def count_weights(self, run: str) -> int:
        """Return how many weights the model of a run has."""
        return self.find_model(run).num_parameters()

    def measure_memory(self, run: str, lora: LoraSpec | None, references: int) -> float:
        """Return the bytes of a trainer's weights and state; references: models beside the trained one."""
        weights = self.count_weights(run)
        frozen = 0 if lora is None else weights * find_dtype().itemsize
        trained = count_trained(self.find_model(run), lora) * BYTES_TRAINED
        return frozen + trained + (references * weights * 4 if lora is None else 0)

    def describe_training(self, run: str, seed: int) -> Job:
        """Return the job of an SFT or RL run."""
        spec = self.experiment.make_run_spec(run, seed)
        work = self.count_weights(run) * count_training(self.experiment, run, seed, self.tokens)
        stage = "rl" if isinstance(spec, RLSpec) else "sft"
        references = 1 if stage == "rl" and spec.beta else 0
        return Job(stage, f"{stage}/{run}_seed{seed}.tsv", work, self.measure_memory(run, spec.lora, references))

    def describe_evaluation(self, run: str, suite: str, seed: int) -> Job:
        """Return the job that evaluates a run on a suite."""
        work = self.count_weights(run) * count_evaluation(self.experiment, run, suite, seed, self.tokens)
        memory = self.count_weights(run) * find_dtype().itemsize
        return Job("evaluate", f"evaluate/{run}_seed{seed}_{suite}.tsv", work, memory)

    def describe_pass_rates(self, run: str, dataset: str, seed: int) -> Job:
        """Return the job that measures the pass rates of a run on a data set."""
        work = self.count_weights(run) * count_pass_rates(self.experiment, run, dataset, seed, self.tokens)
        memory = self.count_weights(run) * find_dtype().itemsize
        return Job("pass_rates", f"pass_rates/{dataset}_seed{seed}_{run}.tsv", work, memory)

    def list_jobs(self) -> list[Job]:
        """Return the jobs that fine-tune, measure and evaluate for the preset's figures, tables and claims."""
        jobs = []
        for seed in self.experiment.seeds:
            jobs += [self.describe_training(run, seed) for run in self.experiment.list_runs_taken(seed)]
            jobs += [self.describe_pass_rates(*pair, seed) for pair in self.experiment.list_pass_rates(seed)]
            jobs += [self.describe_evaluation(*pair, seed) for pair in self.experiment.list_evaluations(seed)]
        return jobs


def measure_speed(threads: int) -> float:
    """Return the operations a second of matrix products, on a GPU where there is one, else on so many threads."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(threads)
    factor = torch.rand(2048, 2048, dtype=find_dtype(), device=device)
    product = factor @ factor  # the first one warms up
    products, started = 0, time.monotonic()
    while time.monotonic() - started < REPEATED:
        product = factor @ factor
        product.sum().item()  # waits for it
        products += 1
    return products * OPERATIONS * 2048**3 / (time.monotonic() - started)


def describe_needs(experiment: Experiment, benchmarks: Path, offline: bool) -> list[str]:
    """Return lines that say what the preset's stages need."""
    estimator = Estimator(experiment, offline)
    jobs = estimator.list_jobs()
    threads = experiment.execution["threads"]
    speed = measure_speed(threads)
    device = "a GPU" if torch.cuda.is_available() else f"{threads} threads"
    lines = [
        f"base model: {' or '.join(f'{weights / 1e6:,.1f}' for weights in estimator.list_weights())} million weights",
        f"matrix products, measured now on {device}: {speed / 1e9:,.0f} GFLOP/s",
    ]
    for stage in ("sft", "rl", "pass_rates", "evaluate"):
        own = [job for job in jobs if job.stage == stage]
        if not own:
            continue
        timed = {job: benchmarks / job.benchmark for job in own if (benchmarks / job.benchmark).is_file()}
        seconds = sum(pd.read_csv(file, sep="\t")["s"].iloc[0] for file in timed.values())
        rate = sum(job.work for job in timed) / seconds if timed else speed
        hours = sum(job.work for job in own) / rate / 3600
        longest = max(job.work for job in own) / rate / 3600
        origin = f"from {len(timed)} jobs in {benchmarks}" if timed else "from the speed of matrix products"
        bound = "" if timed else "at least "
        memory = max(job.memory for job in own) / 1e9
        lines.append(
            f"{stage}: {len(own)} jobs, {bound}{hours:,.2f} hours, the longest {bound}{longest:,.2f} ({origin}); "
            f"{memory:,.2f} GB a job, activations not counted"
        )
    return lines


def examine(preset: str) -> None:
    """Print what was found and what the preset needs. Raises ValueError if there is no such preset or no estimate."""
    experiment = load_preset(preset)
    machine = describe_machine()
    for name, found in machine.items():
        print(f"{name:<11} {found}")
    print(f"\nPreset {preset}, one job at a time; pretraining, data and drawing are not counted")
    offline = not machine["hub"].startswith("answers")
    for line in describe_needs(experiment, Path("results") / experiment.preset / "benchmarks", offline):
        print(f"  {line}")
