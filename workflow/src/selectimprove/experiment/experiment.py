"""The experiment that a configuration describes: its entries, what depends on what, and the spec of each job."""

import ast
import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selectimprove.experiment.specs import (
    ClaimSpec,
    ClaimsSpec,
    ConvertSpec,
    EvaluationSpec,
    FigureSpec,
    FilteredDataSpec,
    FilterSpec,
    ModelSpec,
    PassRateSpec,
    PretrainSpec,
    ReportSpec,
    RLSpec,
    SFTSpec,
    SuiteSpec,
    build_spec,
    digest_specs,
    list_kept_steps,
)
from selectimprove.tasks.registry import make_task
from selectimprove.tasks.specs import DatasetSpec, DataSpec, TaskSpec

PACKAGE = Path(__file__).parents[1]
CHECKOUT = PACKAGE.parents[2]
DEFAULT_EXPERIMENT = "core"
KEY_SETTINGS = ("start", "dataset", "updates", "learning_rate", "beta", "completions_per_prompt")  # of a run


class ConfigError(ValueError):
    """A mistake in the configuration, told in one sentence."""


def format_range(bounds: tuple[float, float]) -> str:
    """Return (2, 5) as "2-5", and (0, 0.1) as "0-0.1"."""
    return "-".join(f"{bound:g}" for bound in bounds)


def find_module(section: str, name: str) -> Path:
    """Return the file of a module that draws; section: "figures" or "tables"."""
    return PACKAGE / "presentation" / section / f"{name}.py"


def read_caption(module: Path) -> str:
    """Return the caption of what a module draws, its docstring: a sentence, then how to read what is drawn."""
    caption = ast.get_docstring(ast.parse(Path(module).read_text(encoding="utf-8")))
    if caption is None:
        raise ConfigError(f"{module}: this module has no docstring, which is the caption of what it draws")
    return caption


class Entries(dict):
    """Named entries of one section. Looking up a name that is not declared raises ConfigError."""

    def __init__(self, section: str, entries: dict[str, Any]):
        super().__init__(entries)
        self.section = section

    def __missing__(self, name: str):
        close = difflib.get_close_matches(name, self, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"{name!r} is not declared under `{self.section}` in the config{hint}")


@dataclass(frozen=True)
class Experiment:
    """The checked configuration. Entries are merged with their defaults; runs are plain values until a seed is set."""

    preset: str
    seeds: tuple[int, ...]
    tasks: dict[str, TaskSpec]
    model: ModelSpec
    models: dict[str, ModelSpec]  # of each task: as `model`, but for what the task overrides
    pretrain_values: dict[str, dict[str, Any]]
    datasets: dict[str, DatasetSpec]
    filters: dict[str, FilterSpec]  # of the data sets that are filtered
    sft_values: dict[str, dict[str, Any]]
    rl_values: dict[str, dict[str, Any]]
    suites: dict[str, SuiteSpec]
    execution: dict[str, int]
    figures: dict[str, dict[str, Any]]
    tables: dict[str, dict[str, Any]]
    claims: tuple[ClaimSpec, ...]

    @property
    def pretrains(self) -> bool:
        """Whether the workflow makes the base model itself."""
        return self.model.source == "scratch"

    def find_base(self, run: str, seed: int) -> str | None:
        """Return where the base that the workflow makes for a run lies in the results; None: it makes none."""
        if self.model.is_packaged:
            return "convert/checkpoint"
        return f"pretrain/{self.find_task(run)}/seed{seed}/checkpoint" if self.pretrains else None

    def make_data_spec(self, dataset: str, seed: int) -> DataSpec | FilteredDataSpec:
        if dataset in self.filters:
            return FilteredDataSpec(self.datasets[dataset], self.filters[dataset], seed)
        task = self.datasets[dataset].task
        return DataSpec(self.datasets[dataset], self.tasks[task], self.models[task].text, seed)

    def list_data_specs(self, dataset: str, seed: int) -> list[Any]:
        """Return the spec of a data set, and those of its candidates and of their pass rates if it is filtered."""
        specs = [self.make_data_spec(dataset, seed)]
        if dataset in self.filters:
            run, candidates = self.filters[dataset].run, self.filters[dataset].candidates
            specs += [self.make_data_spec(candidates, seed), self.make_pass_rate_spec(run, candidates, seed)]
        return specs

    def make_pass_rate_spec(self, run: str, dataset: str, seed: int) -> PassRateSpec:
        """Return the spec of a run's pass rates on a data set. Raises ConfigError if nothing is filtered by them."""
        filtered = [name for name, own in self.filters.items() if (own.run, own.candidates) == (run, dataset)]
        if not filtered:
            raise ConfigError(f"no data set under `datasets` is filtered by the pass rates of {run} on {dataset}")
        sampled = next(values for values in self.rl_values.values() if values["dataset"] in filtered)
        return PassRateSpec(
            run=run,
            dataset=dataset,
            samples=self.filters[filtered[0]].samples,
            temperature=sampled["temperature"],
            max_completion_tokens=sampled["max_completion_tokens"],
            text=self.models[self.datasets[dataset].task].text,
            threads=self.execution["threads"],
            seed=seed,
        )

    def make_convert_spec(self) -> ConvertSpec:
        return ConvertSpec(self.model)

    def make_pretrain_spec(self, task: str, seed: int) -> PretrainSpec:
        values = {"model": self.models[task], "task": self.tasks[task], "seed": seed, **self.pretrain_values[task]}
        return build_spec(PretrainSpec, values)

    def make_sft_spec(self, run: str, seed: int) -> SFTSpec:
        given = {"run": run, "model": self.models[self.find_task(run)], "seed": seed, **self.execution}
        return build_spec(SFTSpec, {**given, **self.sft_values[run]})

    def make_rl_spec(self, run: str, seed: int) -> RLSpec:
        given = {"run": run, "model": self.models[self.find_task(run)], "seed": seed}
        given |= {key: self.execution[key] for key in ("processes", "threads")}
        return build_spec(RLSpec, {**given, **self.rl_values[run]})

    def find_lineage(self, run: str) -> list[str]:
        """Return the runs from the SFT run at the root to `run`."""
        lineage = [run]
        while lineage[0] in self.rl_values:
            lineage.insert(0, self.rl_values[lineage[0]]["start"])
        return lineage

    def find_dataset(self, run: str) -> str:
        """Return the name of the data set that a run is trained on."""
        return (self.rl_values if run in self.rl_values else self.sft_values)[run]["dataset"]

    def list_upstream_runs(self, run: str) -> list[str]:
        """Return `run` after all that it is made from: runs that it starts from, and runs that filter its prompts."""
        runs: list[str] = []
        for stage in self.find_lineage(run):
            dataset = self.find_dataset(stage)
            if dataset in self.filters:
                runs += self.list_upstream_runs(self.filters[dataset].run)
            runs.append(stage)
        return list(dict.fromkeys(runs))

    def find_task(self, run: str) -> str:
        """Return the name of the task that the run's problems are of."""
        return self.datasets[self.sft_values[self.find_lineage(run)[0]]["dataset"]].task

    def make_run_spec(self, run: str, seed: int) -> SFTSpec | RLSpec:
        return self.make_rl_spec(run, seed) if run in self.rl_values else self.make_sft_spec(run, seed)

    def find_checkpoints_folder(self, run: str, seed: int) -> str:
        """Return where the run's checkpoints lie, relative to the folder of the results."""
        stage = "sft" if run in self.sft_values else "rl"
        return f"{stage}/{run}/seed{seed}/checkpoints"

    def list_checkpoint_steps(self, run: str) -> list[int]:
        """Return the RL steps of the run's kept checkpoints; [0] for an SFT run."""
        if run not in self.rl_values:
            return [0]
        return list_kept_steps(self.rl_values[run]["updates"], self.rl_values[run]["checkpoint_every"])

    def make_evaluation_spec(self, run: str, suite: str, seed: int) -> EvaluationSpec:
        lineage = self.find_lineage(run)
        steps = self.list_checkpoint_steps(run)
        training = "+".join(self.rl_values[ancestor]["dataset"] for ancestor in lineage[1:]) or "sft"
        return EvaluationSpec(
            run=run,
            sft_run=lineage[0],
            training=training,
            checkpoint_steps=tuple(steps if self.suites[suite].checkpoints == "all" else steps[-1:]),
            suite=self.suites[suite],
            text=self.models[self.find_task(run)].text,
            threads=self.execution["threads"],
            seed=seed,
        )

    def find_figure(self, name: str) -> dict[str, Any]:
        """Return the entry of a figure or table."""
        return self.tables[name] if name in self.tables else self.figures[name]

    def list_figure_runs(self, values: dict[str, Any]) -> list[str]:
        """Return the SFT runs that a figure's runs start from, then its runs."""
        roots = [self.find_lineage(run)[0] for run in values["runs"]]
        return list(dict.fromkeys([*roots, *values["runs"]]))

    def list_figure_evaluations(self, values: dict[str, Any]) -> list[tuple[str, str]]:
        """Return each (run, suite) that a figure takes: a run is evaluated on the suites of its own task."""
        return [
            (run, suite)
            for run in self.list_figure_runs(values)
            for suite in values["suites"]
            if self.find_task(run) == self.datasets[self.suites[suite].dataset].task
        ]

    def list_figure_seeds(self, values: dict[str, Any]) -> tuple[int, ...]:
        """Return the seeds that a figure is made from."""
        return self.seeds[: values["seed_count"]]

    def list_evaluations(self, seed: int | None = None) -> list[tuple[str, str]]:
        """Return each (run, suite) that any figure, table or claim takes of this seed; None: of any seed.

        The same holds for what of a seed is taken in list_test_datasets, list_runs_taken and list_pass_rates.
        """
        drawn = [*self.figures.values(), *self.tables.values()]
        drawn = [values for values in drawn if seed is None or seed in self.list_figure_seeds(values)]
        pairs = [pair for values in drawn for pair in self.list_figure_evaluations(values)]
        return list(dict.fromkeys([*pairs, *self.list_claim_evaluations()]))

    def list_test_datasets(self, seed: int | None = None) -> list[str]:
        """Return the data sets whose test problems any figure, table or claim takes."""
        return list(dict.fromkeys(self.suites[suite].dataset for _, suite in self.list_evaluations(seed)))

    def list_runs_taken(self, seed: int | None = None) -> list[str]:
        """Return the runs that any figure, table or claim takes, each after those that it is made from."""
        ends = [run for run, _ in self.list_evaluations(seed)]
        return list(dict.fromkeys(run for end in ends for run in self.list_upstream_runs(end)))

    def list_pass_rates(self, seed: int | None = None) -> list[tuple[str, str]]:
        """Return each (run, data set) whose pass rates filter the prompts of a run that is taken."""
        filters = [self.filters.get(self.find_dataset(run)) for run in self.list_runs_taken(seed)]
        return list(dict.fromkeys((own.run, own.candidates) for own in filters if own))

    def list_claim_evaluations(self) -> list[tuple[str, str]]:
        """Return each (run, suite) that a claim takes."""
        return list(dict.fromkeys((run, claim.suite) for claim in self.claims for run in claim.terms))

    def list_experiments(self) -> dict[str, dict[str, list[str]]]:
        """Return the figures and tables of each experiment: {experiment: {"figures": names, "tables": names}}."""
        experiments: dict[str, dict[str, list[str]]] = {}
        for section, entries in (("figures", self.figures), ("tables", self.tables)):
            for name, values in entries.items():
                group = experiments.setdefault(values["experiment"], {"figures": [], "tables": []})
                group[section].append(name)
        return experiments

    def describe_run(self, run: str) -> dict[str, Any]:
        """Return the key settings of a run: columns that figures find beside its scores (see RUN_COLUMNS)."""
        lineage = self.find_lineage(run)
        sft = self.sft_values[lineage[0]]
        rl = self.rl_values.get(run)
        taught = self.datasets[sft["dataset"]]
        task = self.tasks[taught.task]
        trained_on = [self.rl_values[stage]["dataset"] for stage in lineage[1:]] or [sft["dataset"]]
        last = trained_on[-1]
        forward_share = None if taught.strategies == "suited" else taught.strategies["forward"]
        return {
            "model": {0: "B", 1: "F", None: "suited"}.get(forward_share, "FB"),
            "stage": f"RL {' then '.join(map(self.describe_difficulty, trained_on))}" if rl else "SFT",
            "taught_parts": format_range(taught.parts),
            "forward_share": forward_share,
            "evaluation_share": None if last in self.filters else self.datasets[last].kinds["evaluation"],
            "pass_rate": rl and (format_range(self.filters[last].pass_rate) if last in self.filters else "all"),
            "values": len(make_task(task, self.seeds[0]).values),
            "symbol_map": task.settings.get("symbol_map"),
            "text": self.models[taught.task].text,
            "layer_weights": self.models[taught.task].architecture.layer_weights if self.pretrains else None,
            "log_forward_share": self.pretrain_values[taught.task]["forward_share"] if self.pretrains else None,
            "sft_learning_rate": sft["learning_rate"],
            "learning_rate": rl and rl["learning_rate"],
            "beta": rl and rl["beta"],
            "completions_per_prompt": rl and rl["completions_per_prompt"],
        }

    def describe_difficulty(self, dataset: str) -> str:
        """Return the steps of a data set's problems, such as "6-9", and the band that they were filtered to."""
        steps = format_range(self.datasets[dataset].steps)
        return f"{steps} at {format_range(self.filters[dataset].pass_rate)}" if dataset in self.filters else steps

    def make_figure_spec(self, name: str) -> FigureSpec:
        """Return the spec of a figure or table."""
        values = self.find_figure(name)
        evaluations, seeds = self.list_figure_evaluations(values), self.list_figure_seeds(values)
        return FigureSpec(
            name=name,
            module=values["module"],
            evaluations=tuple(evaluations),
            seeds=seeds,
            run_settings={run: self.describe_run(run) for run in self.list_figure_runs(values)},
            config_digest=self.digest_upstream(values["runs"], evaluations, seeds),
        )

    def make_claims_spec(self) -> ClaimsSpec:
        evaluations = self.list_claim_evaluations()
        runs = list(dict.fromkeys(run for run, _ in evaluations))
        digest = self.digest_upstream(runs, evaluations, self.seeds)
        return ClaimsSpec(self.claims, tuple(evaluations), self.seeds, digest)

    def digest_upstream(self, runs: list[str], evaluations: list[tuple[str, str]], seeds: tuple[int, ...]) -> str:
        """Return the digest of the specs of everything that these runs and evaluations depend on, of these seeds."""
        upstream: list[Any] = [self.make_convert_spec()] if self.model.is_packaged else []
        made_from = dict.fromkeys(run for end in runs for run in self.list_upstream_runs(end))
        for seed in seeds:
            if self.pretrains:
                tasks = dict.fromkeys(self.find_task(run) for run in runs)
                upstream += [self.make_pretrain_spec(task, seed) for task in tasks]
            for run in made_from:
                spec = self.make_run_spec(run, seed)
                upstream += [spec, *self.list_data_specs(spec.dataset, seed)]
            for run, suite in evaluations:
                evaluation = self.make_evaluation_spec(run, suite, seed)
                upstream += [evaluation, self.make_data_spec(evaluation.suite.dataset, seed)]
        return digest_specs(*upstream)

    def make_report_spec(self) -> ReportSpec:
        """Return the spec of the report: figures and tables with their captions, the core's, then each experiment's."""
        # The figures of a preset come before those of config.yaml, over which it is laid.
        groups = sorted(self.list_experiments().items(), key=lambda group: group[0] != DEFAULT_EXPERIMENT)
        captions = {
            section: tuple(
                (name, group, read_caption(find_module(section, self.find_figure(name)["module"])))
                for group, drawn in groups
                for name in drawn[section]
            )
            for section in ("figures", "tables")
        }
        texts = {name: self.models[self.datasets[name].task].text for name in self.list_test_datasets()}
        return ReportSpec(preset=self.preset, seeds=self.seeds, texts=texts, **captions)
