"""What a job does, in a few words for whoever watches a run."""

from selectimprove.experiment.experiment import Experiment, format_range
from selectimprove.tasks.registry import make_task
from selectimprove.tasks.specs import DatasetSpec

STOPPING = "SIGTERM: training stops after the step at hand"  # logged at once; failures.py looks for it


def describe_problems(dataset: DatasetSpec) -> str:
    """Return the difficulty of a data set's problems, such as "2-5 steps" or "3-5 parts of 1-2 steps"."""
    steps = f"{format_range(dataset.steps)} steps"
    return steps if dataset.parts == (1, 1) else f"{format_range(dataset.parts)} parts of {steps}"


def describe_dataset(experiment: Experiment, dataset: str) -> str:
    spec = experiment.datasets[dataset]
    if dataset not in experiment.filters:
        return f"{sum(spec.sizes.values()):,} problems of {describe_problems(spec)}"
    return f"{spec.sizes['train']:,} problems of {describe_prompts(experiment, dataset)}"


def describe_prompts(experiment: Experiment, dataset: str) -> str:
    """Return what RL is trained on, such as "6-9 steps" or "2-15 steps that FB solves at a rate of 0.1-0.5"."""
    problems = describe_problems(experiment.datasets[dataset])
    if dataset not in experiment.filters:
        return problems
    own = experiment.filters[dataset]
    return f"{problems} that {own.run} solves at a rate of {format_range(own.pass_rate)}"


def describe_pass_rates(experiment: Experiment, run: str, dataset: str) -> str:
    samples = experiment.make_pass_rate_spec(run, dataset, experiment.seeds[0]).samples
    spec = experiment.datasets[dataset]
    each = "1 completion" if samples == 1 else f"{samples} completions"
    return f"{each} of each of {spec.sizes['train']:,} problems of {describe_problems(spec)}"


def describe_pretraining(experiment: Experiment, task: str) -> str:
    title = make_task(experiment.tasks[task], experiment.seeds[0]).title
    return f"{experiment.pretrain_values[task]['updates']:,} updates on {title}"


def describe_sft(experiment: Experiment, run: str) -> str:
    values = experiment.sft_values[run]
    dataset = experiment.datasets[values["dataset"]]
    epochs = "1 epoch" if values["epochs"] == 1 else f"{values['epochs']:g} epochs"
    return f"{epochs} of {dataset.sizes['train']:,} pairs, {describe_problems(dataset)}"


def describe_rl(experiment: Experiment, run: str) -> str:
    values = experiment.rl_values[run]
    prompts = describe_prompts(experiment, values["dataset"])
    return f"{values['updates']:,} RL steps on {prompts} from {values['start']}"


def describe_evaluation(experiment: Experiment, run: str, suite: str) -> str:
    spec = experiment.make_evaluation_spec(run, suite, experiment.seeds[0])
    problems = spec.suite.problems or experiment.datasets[spec.suite.dataset].sizes["test"]
    checkpoints = len(spec.checkpoint_steps)
    return f"{checkpoints} checkpoint{'s' if checkpoints > 1 else ''} on {problems:,} problems of {suite}"
