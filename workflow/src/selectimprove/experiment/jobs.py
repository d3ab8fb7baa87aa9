"""The jobs that make everything of an experiment: what each makes and takes, and how much work it is.

These are the jobs of `snakemake` without a target, but for what only Snakemake knows, such as which are done; a test
holds them against its own list.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from selectimprove.experiment.experiment import Experiment
from selectimprove.experiment.specs import EvaluationSpec, PassRateSpec, PretrainSpec, RLSpec, SFTSpec, dump_spec
from selectimprove.tasks.data import DATA_FILES
from selectimprove.tasks.specs import DatasetSpec

STAGES = {  # of each rule, in the order of the work
    "convert": "convert",
    "pretrain": "pretrain",
    "dataset": "data",
    "pass_rates": "data",
    "filtered_dataset": "data",
    "sft": "sft",
    "rl": "rl",
    "evaluate": "evaluate",
    "figure": "figures",
    "table": "tables",
    "scores": "report",
    "claims": "report",
    "report": "report",
}


@dataclass(frozen=True)
class Job:
    """A job. key: the rule and what it is made for, by which its log and benchmark are named; spec: what it is told.

    topic, units: see describe_work. outputs: files and folders that its rule declares, and checkpoints in these, all
    below the folder of the results; takes: keys of the jobs whose outputs it reads. spec: as dump_spec writes it, None
    of a rule without one.
    """

    key: str
    topic: str
    units: float
    threads: int
    spec: str | None
    outputs: tuple[str, ...]
    checkpoints: tuple[str, ...]
    takes: tuple[str, ...]

    @property
    def rule(self) -> str:
        return self.key.partition("/")[0]

    @property
    def stage(self) -> str:
        return STAGES[self.rule]

    @property
    def log(self) -> str:
        return f"logs/{self.key}.log"

    @property
    def spec_file(self) -> str:
        """Where the job's shell puts what the job is told, before it starts it."""
        return f"{self.log}.spec.json"

    @property
    def benchmark(self) -> str:
        return f"benchmarks/{self.key}.tsv"


def describe_work(key: str, spec: Any, datasets: dict[str, DatasetSpec]) -> tuple[str, float]:
    """Return what the speed of a job depends on, beside its rule, and how many units of work it is.

    Units are texts that pass through the model: logs in pretraining, pairs in SFT, completions where any are drawn; 1
    for any other job. The topic is the task, the data set, the suite or what is drawn: texts of one are alike.
    """
    name = re.sub(r"^\w+/|_seed\d+$", "", key)
    match spec:
        case PretrainSpec():
            return name, spec.updates * spec.logs_per_update
        case SFTSpec():
            return spec.dataset, spec.epochs * datasets[spec.dataset].sizes["train"]
        case RLSpec():
            return spec.dataset, spec.updates * spec.completions_per_step
        case EvaluationSpec(suite=suite):
            problems = suite.problems or datasets[suite.dataset].sizes["test"]
            rounds = len(spec.checkpoint_steps) * max(1, len(suite.forced_strategies))
            return suite.name, rounds * problems * suite.completions_per_problem
        case PassRateSpec():
            return spec.dataset, datasets[spec.dataset].sizes["train"] * spec.samples
    return name, 1


class JobList:
    """Collects the jobs of an experiment, each after those that it takes from."""

    def __init__(self, experiment: Experiment):
        self.experiment = experiment
        self.jobs: dict[str, Job] = {}

    def add(
        self,
        key: str,
        spec: Any,
        outputs: Iterable[str],
        takes: Iterable[str] = (),
        threads: int = 1,
        checkpoints: Iterable[str] = (),
    ) -> None:
        topic, units = describe_work(key, spec, self.experiment.datasets)
        dumped = None if spec is None else dump_spec(spec)
        outputs, checkpoints, takes = tuple(outputs), tuple(checkpoints), tuple(dict.fromkeys(takes))
        self.jobs[key] = Job(key, topic, units, threads, dumped, outputs, checkpoints, takes)

    def add_base(self, run: str, seed: int) -> list[str]:
        """Add the job that makes the base of a run, if the workflow makes it; return its key, if so."""
        base = self.experiment.find_base(run, seed)
        if base is None:
            return []
        if self.experiment.model.is_packaged:
            self.add("convert", self.experiment.make_convert_spec(), [base], checkpoints=[base])
            return ["convert"]
        task = self.experiment.find_task(run)
        key, spec = f"pretrain/{task}_seed{seed}", self.experiment.make_pretrain_spec(task, seed)
        metrics = f"pretrain/{task}/seed{seed}/metrics.csv"
        self.add(key, spec, [base, metrics], threads=spec.threads, checkpoints=[base])
        return [key]

    def add_dataset(self, dataset: str, seed: int) -> str:
        rule, takes = "dataset", []
        if own := self.experiment.filters.get(dataset):
            rule = "filtered_dataset"
            takes = [self.add_pass_rates(own.run, own.candidates, seed), self.find_run(own.run, seed)]
            takes.append(f"dataset/{own.candidates}_seed{seed}")
        key, spec = f"{rule}/{dataset}_seed{seed}", self.experiment.make_data_spec(dataset, seed)
        files = (*DATA_FILES, "provenance.json")
        self.add(key, spec, [f"data/{dataset}/seed{seed}/{name}" for name in files], takes)
        return key

    def add_pass_rates(self, run: str, dataset: str, seed: int) -> str:
        """Add the job that measures the pass rates of a run, after all that it takes, and return its key."""
        key = f"pass_rates/{dataset}_seed{seed}_{run}"
        spec = self.experiment.make_pass_rate_spec(run, dataset, seed)
        takes = [self.find_run(run, seed), self.add_dataset(dataset, seed)]
        self.add(key, spec, [f"pass_rates/{dataset}/seed{seed}/{run}.parquet"], takes, spec.threads)
        return key

    def find_run(self, run: str, seed: int) -> str:
        """Return the key of the job that trains a run."""
        return f"{'sft' if run in self.experiment.sft_values else 'rl'}/{run}_seed{seed}"

    def add_run(self, run: str, seed: int) -> None:
        spec = self.experiment.make_run_spec(run, seed)
        start = [self.find_run(spec.start, seed)] if isinstance(spec, RLSpec) else self.add_base(run, seed)
        folder = self.experiment.find_checkpoints_folder(run, seed)
        self.add(
            self.find_run(run, seed),
            spec,
            [folder, f"{folder.removesuffix('checkpoints')}metrics.csv"],
            [*start, self.add_dataset(spec.dataset, seed)],
            spec.processes * spec.threads,
            [f"{folder}/step{step}" for step in self.experiment.list_checkpoint_steps(run)],
        )

    def add_evaluation(self, run: str, suite: str, seed: int) -> str:
        """Add the job that evaluates a run on a suite; return its key."""
        spec = self.experiment.make_evaluation_spec(run, suite, seed)
        [key] = self.find_evaluations([(run, suite)], [seed])
        takes = [self.find_run(run, seed), self.add_dataset(spec.suite.dataset, seed)]
        self.add(key, spec, [f"evaluation/{run}/seed{seed}/{suite}.parquet"], takes, spec.threads)
        return key

    def find_evaluations(self, pairs: list[tuple[str, str]], seeds: Iterable[int]) -> list[str]:
        """Return the keys of the jobs that evaluate each (run, suite)."""
        return [f"evaluate/{run}_seed{seed}_{suite}" for run, suite in pairs for seed in seeds]

    def add_drawn(self, rule: str, name: str, suffixes: Iterable[str]) -> str:
        """Add the job that draws a figure or table; return its key."""
        experiment, key = self.experiment, f"{rule}/{name}"
        values = experiment.find_figure(name)
        seeds = experiment.list_figure_seeds(values)
        takes = self.find_evaluations(experiment.list_figure_evaluations(values), seeds)
        sft_runs = [run for run in experiment.list_figure_runs(values) if run in experiment.sft_values]
        takes += [self.find_run(run, seed) for run in sft_runs for seed in seeds]
        self.add(key, experiment.make_figure_spec(name), [f"{rule}s/{name}.{suffix}" for suffix in suffixes], takes)
        return key

    def sort(self) -> list[Job]:
        """Return the jobs by stage, but each after those that it takes from: filtered data wait for a run."""
        order = list(STAGES)
        placed: dict[str, Job] = {}

        def place(job: Job) -> None:
            for key in job.takes:
                place(self.jobs[key])
            placed.setdefault(job.key, job)

        for job in sorted(self.jobs.values(), key=lambda job: order.index(job.rule)):
            place(job)
        return list(placed.values())


def list_jobs(experiment: Experiment) -> list[Job]:
    """Return the jobs that make what the figures, tables, claims and the report take, each after those it takes from.

    Stages follow one another as in STAGES, where that allows it.
    """
    jobs = JobList(experiment)
    evaluations: list[str] = []
    for seed in experiment.seeds:
        for run in experiment.list_runs_taken(seed):
            jobs.add_run(run, seed)
        evaluations += [jobs.add_evaluation(run, suite, seed) for run, suite in experiment.list_evaluations(seed)]
    drawn = [jobs.add_drawn("figure", name, ("pdf", "png", "json")) for name in experiment.figures]
    drawn += [jobs.add_drawn("table", name, ("md", "csv", "json")) for name in experiment.tables]
    jobs.add("scores", None, ["scores.parquet"], evaluations)
    if experiment.claims:
        takes = jobs.find_evaluations(experiment.list_claim_evaluations(), experiment.seeds)
        jobs.add("claims", experiment.make_claims_spec(), ["claims.md", "claims.csv", "claims.json"], takes)
        drawn.append("claims")
    tests = [f"dataset/{name}_seed{seed}" for seed in experiment.seeds for name in experiment.list_test_datasets(seed)]
    takes = [*drawn, "scores", *tests]
    jobs.add("report", experiment.make_report_spec(), ["report.html", "report.json"], takes)
    return jobs.sort()
