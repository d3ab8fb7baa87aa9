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
    ModelSpec,
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


def format_range(bounds: tuple[int, int]) -> str:
    """Return (2, 5) as "2-5"."""
    return "-".join(map(str, bounds))


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
    pretrain_values: dict[str, dict[str, Any]]
    datasets: dict[str, DatasetSpec]
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

    def make_data_spec(self, dataset: str, seed: int) -> DataSpec:
        return DataSpec(self.datasets[dataset], self.tasks[self.datasets[dataset].task], self.model.text, seed)

    def make_convert_spec(self) -> ConvertSpec:
        return ConvertSpec(self.model)

    def make_pretrain_spec(self, task: str, seed: int) -> PretrainSpec:
        values = {"model": self.model, "task": self.tasks[task], "seed": seed, **self.pretrain_values[task]}
        return build_spec(PretrainSpec, values)

    def make_sft_spec(self, run: str, seed: int) -> SFTSpec:
        given = {"run": run, "model": self.model, "seed": seed, **self.execution}
        return build_spec(SFTSpec, {**given, **self.sft_values[run]})

    def make_rl_spec(self, run: str, seed: int) -> RLSpec:
        given = {"run": run, "model": self.model, "seed": seed}
        given |= {key: self.execution[key] for key in ("processes", "threads")}
        return build_spec(RLSpec, {**given, **self.rl_values[run]})

    def find_lineage(self, run: str) -> list[str]:
        """Return the runs from the SFT run at the root to `run`."""
        lineage = [run]
        while lineage[0] in self.rl_values:
            lineage.insert(0, self.rl_values[lineage[0]]["start"])
        return lineage

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
            text=self.model.text,
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

    def list_evaluations(self) -> list[tuple[str, str]]:
        """Return each (run, suite) that any figure or table takes."""
        drawn = [*self.figures.values(), *self.tables.values()]
        pairs = [pair for values in drawn for pair in self.list_figure_evaluations(values)]
        return list(dict.fromkeys([*pairs, *self.list_claim_evaluations()]))

    def list_runs_taken(self) -> list[str]:
        """Return the runs that any figure, table or claim takes, each after those that it starts from."""
        return list(dict.fromkeys(run for end, _ in self.list_evaluations() for run in self.find_lineage(end)))

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
        trained_on = [self.datasets[self.rl_values[stage]["dataset"]] for stage in lineage[1:]] or [taught]
        forward_share = None if taught.strategies == "suited" else taught.strategies["forward"]
        return {
            "model": {0: "B", 1: "F", None: "suited"}.get(forward_share, "FB"),
            "stage": f"RL {' then '.join(format_range(dataset.steps) for dataset in trained_on)}" if rl else "SFT",
            "taught_parts": format_range(taught.parts),
            "forward_share": forward_share,
            "evaluation_share": trained_on[-1].kinds["evaluation"],
            "values": len(make_task(task, self.seeds[0]).values),
            "symbol_map": task.settings.get("symbol_map"),
            "sft_learning_rate": sft["learning_rate"],
            "learning_rate": rl and rl["learning_rate"],
            "beta": rl and rl["beta"],
            "completions_per_prompt": rl and rl["completions_per_prompt"],
        }

    def make_figure_spec(self, name: str) -> FigureSpec:
        """Return the spec of a figure or table."""
        values = self.find_figure(name)
        evaluations = self.list_figure_evaluations(values)
        return FigureSpec(
            name=name,
            module=values["module"],
            evaluations=tuple(evaluations),
            seeds=self.seeds,
            run_settings={run: self.describe_run(run) for run in self.list_figure_runs(values)},
            config_digest=self.digest_upstream(values["runs"], evaluations),
        )

    def make_claims_spec(self) -> ClaimsSpec:
        evaluations = self.list_claim_evaluations()
        runs = list(dict.fromkeys(run for run, _ in evaluations))
        return ClaimsSpec(self.claims, tuple(evaluations), self.seeds, self.digest_upstream(runs, evaluations))

    def digest_upstream(self, runs: list[str], evaluations: list[tuple[str, str]]) -> str:
        """Return the digest of the specs of everything that these runs and evaluations depend on."""
        upstream: list[Any] = [self.make_convert_spec()] if self.model.is_packaged else []
        lineages = [self.find_lineage(end) for end in runs]
        for seed in self.seeds:
            if self.pretrains:
                tasks = dict.fromkeys(self.find_task(run) for run in runs)
                upstream += [self.make_pretrain_spec(task, seed) for task in tasks]
            for run in dict.fromkeys(run for lineage in lineages for run in lineage):
                spec = self.make_run_spec(run, seed)
                upstream += [spec, self.make_data_spec(spec.dataset, seed)]
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
        return ReportSpec(preset=self.preset, seeds=self.seeds, text=self.model.text, **captions)
