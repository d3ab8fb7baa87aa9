"""What figures and tables can show, checked against what is declared for them before any compute is spent.

A module says what it needs in its constant NEEDS, a mapping whose keys are the names of Needs. It is read from the
syntax tree, since the module itself imports what parsing should not; the module relies on the same constant.
"""

import ast
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from selectimprove.experiment.experiment import ConfigError, Experiment, find_module
from selectimprove.experiment.schema import list_words
from selectimprove.experiment.specs import SuiteSpec
from selectimprove.tasks.problems import count_strata, plan_strata
from selectimprove.tasks.specs import KINDS
from selectimprove.tasks.strategies import STRATEGIES

MODELS = ("F", "B", "FB", "suited")
COUNTED = {
    "run": "runs",
    "stage": "kinds of training",
    "suite": "suites with free openings",
    "steps": "numbers of steps",
    "parts": "numbers of parts",
}
Cell = tuple[str, int]  # a stratum, see count_strata


@dataclass(frozen=True)
class Needs:
    """What a module needs of the runs and suites that are declared for it.

    runs: "any"; "RL": each SFT run is the start of an RL run, which it is drawn with; "RL alone"; or "SFT".
    suites: "one" suite for each run; "lengths": any number, told apart by the number of steps of their problems.
    forced: whether beside each suite there are completions of the same problems made to open with either strategy, each
    in one suite; where not, there may be none. ends: whether it shows the last checkpoints alone.
    completions: how many of a problem there are at least.
    by_kind: whether suites have evaluation and inversion problems, and no others; by_length: of every number of steps.
    axes: groups of settings (see Experiment.describe_run). There is a place for each combination of the values of the
    groups, and each place takes one run. cells: values of the one group that there must be, all of them; some_of:
    values of which there must be one; in a module's NEEDS, either is the name of its constant whose keys they are.
    most: how many can be told apart of what COUNTED names.
    """

    runs: str = "any"
    suites: str = "one"
    forced: bool = False
    ends: bool = False
    completions: int = 1
    by_kind: bool = False
    by_length: bool = False
    axes: tuple[tuple[str, ...], ...] = ()
    cells: tuple[tuple, ...] = ()
    some_of: tuple[tuple, ...] = ()
    most: Mapping[str, int] = field(default_factory=dict)


def read_needs(module: Path) -> Needs:
    """Return what a module that draws needs; nothing if it does not say."""
    constants = {
        node.targets[0].id: node.value
        for node in ast.parse(Path(module).read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    if "NEEDS" not in constants:
        return Needs()
    values = ast.literal_eval(constants["NEEDS"])
    for name in {"cells", "some_of"} & values.keys():
        keys = [ast.literal_eval(key) for key in constants[values[name]].keys]
        values[name] = tuple(key if isinstance(key, tuple) else (key,) for key in keys)
    return Needs(**values)


def check_drawings(experiment: Experiment) -> None:
    """Raise ConfigError on a figure or table that its module cannot show as it is declared."""
    suites = {suite for _, suite in experiment.list_evaluations()}
    cells = {suite: [list_cells(experiment, suite, seed) for seed in experiment.seeds] for suite in suites}
    for section in ("figures", "tables"):
        for name, values in getattr(experiment, section).items():
            needs = read_needs(find_module(section, values["module"]))
            check = DrawingCheck(f"{section}.{name}", values, needs, experiment, cells)
            check.check_runs()
            check.check_suites()
            check.check_axes()


def list_cells(experiment: Experiment, suite: str, seed: int) -> frozenset[Cell]:
    """Return the strata that the problems of a suite fall on."""
    spec = experiment.suites[suite]
    dataset = experiment.datasets[spec.dataset]
    if spec.problems is None:
        return frozenset(cell for cell, count in count_strata(dataset, dataset.sizes["test"]).items() if count)
    return frozenset(plan_strata(dataset, "test", seed)[: spec.problems])


def format_value(column: str, value: Any) -> str:
    """Return a setting as figures show it: shares in hundredths of a percent, other numbers in six digits."""
    if isinstance(value, float | int):
        return f"{value:.4f}".rstrip("0").rstrip(".") if column.endswith("_share") else f"{value:g}"
    return value


@dataclass(frozen=True)
class DrawingCheck:
    """One figure or table: its place in the configuration, its entry, what its module needs, and the problems.

    cells: of each suite, by seed. Every check raises ConfigError.
    """

    place: str
    values: dict[str, Any]
    needs: Needs
    experiment: Experiment
    cells: dict[str, list[frozenset[Cell]]]

    def refuse(self, key: str, reason: str) -> NoReturn:
        raise ConfigError(f"{self.place}.{key}: {reason}")

    @property
    def module(self) -> str:
        return self.values["module"]

    def check_runs(self) -> None:
        """Check that every declared run is one that the module draws."""
        declared, rl = self.values["runs"], self.experiment.rl_values
        roots = {self.experiment.find_lineage(run)[0] for run in declared if run in rl}
        for run in declared:
            if run in rl and run in MODELS:
                self.refuse("runs", f"the RL run {run} bears the name of a model, by which curves of one are called")
            if run in rl and self.needs.runs == "SFT":
                self.refuse("runs", f"{run} is an RL run, but {self.module} shows SFT runs alone")
            if run not in rl and self.needs.runs == "RL alone":
                self.refuse("runs", f"{run} is an SFT run, but {self.module} shows RL runs alone")
            if run not in rl and run not in roots and self.needs.runs == "RL":
                self.refuse("runs", f"none of them is an RL run from {run}, but {self.module} shows what RL does to it")

    def check_suites(self) -> None:
        """Check that every run is evaluated on what the module draws of it, and all on problems of one kind."""
        suites_of: dict[str, list[SuiteSpec]] = {}
        for run, suite in self.experiment.list_figure_evaluations(self.values):
            suites_of.setdefault(run, []).append(self.experiment.suites[suite])
        used = {suite.name for suites in suites_of.values() for suite in suites}
        for name in self.values["suites"]:
            if name not in used:
                other = self.experiment.datasets[self.experiment.suites[name].dataset].task
                self.refuse("suites", f"{name} is of the task {other}, of which none of the runs is")
        groups: dict[tuple[str, ...], str] = {}  # suites that are taken together, and a run that takes them
        for run, suites in suites_of.items():
            groups.setdefault(tuple(suite.name for suite in suites), run)
        for names in groups:
            suites = [self.experiment.suites[name] for name in names]
            self.check_free([suite for suite in suites if not suite.forced_strategies])
            self.check_forced(suites)
            for suite in suites:
                self.check_problems(suite)
        first, *others = groups
        for names in others:
            if self.describe_suites(names) != self.describe_suites(first):
                self.refuse(
                    "suites",
                    f"{groups[first]} is evaluated on {list_words(first)} and {groups[names]} on {list_words(names)}, "
                    f"whose problems are not alike, but {self.module} shows them as if they were",
                )

    def check_free(self, suites: list[SuiteSpec]) -> None:
        """Check the suites of one run whose completions open freely."""
        if not suites:
            self.refuse("suites", f"all of them have forced strategies, but {self.module} shows free openings")
        if len(suites) > 1 and self.needs.suites == "one":
            names = list_words(suite.name for suite in suites)
            self.refuse("suites", f"found {names}, but {self.module} shows one suite with free openings")
        for one, other in itertools.combinations(suites, 2):
            lengths = [{number for _, number in self.list_cells([suite.name])} for suite in (one, other)]
            if shared := set.intersection(*lengths):
                self.refuse(
                    "suites",
                    f"{one.name} and {other.name} both have problems of {min(shared)} steps, which {self.module} "
                    "cannot tell apart",
                )
        for suite in suites:
            if suite.completions_per_problem < self.needs.completions:
                self.refuse(
                    "suites",
                    f"{suite.name} has completions_per_problem {suite.completions_per_problem}, "
                    f"but {self.module} needs {self.needs.completions}",
                )

    def check_forced(self, suites: list[SuiteSpec]) -> None:
        """Check the forced suites among those of one run."""
        free = [suite for suite in suites if not suite.forced_strategies]
        forced = [suite for suite in suites if suite.forced_strategies]
        if forced and not self.needs.forced:
            self.refuse("suites", f"{forced[0].name} has forced strategies, but {self.module} shows free openings")
        for suite in forced:
            if suite.dataset not in [other.dataset for other in free]:
                self.refuse("suites", f"beside {suite.name} there is none with free openings on {suite.dataset}")
        for suite in free if self.needs.forced else []:
            beside = [other for other in forced if other.dataset == suite.dataset]
            for strategy in STRATEGIES:
                found = [other for other in beside if strategy in other.forced_strategies]
                if len(found) != 1:
                    self.refuse(
                        "suites",
                        f"found {list_words(other.name for other in found)}, but {self.module} needs one beside "
                        f"{suite.name} whose completions of {suite.dataset} are made to open {strategy}",
                    )
            for other in beside:
                if not self.needs.ends and other.checkpoints not in ("all", suite.checkpoints):
                    self.refuse(
                        "suites",
                        f"{other.name} is of the last checkpoints, but {suite.name} is of all, and {self.module} shows "
                        "both together",
                    )
                for seed, wanted, had in zip(
                    self.experiment.seeds, self.cells[suite.name], self.cells[other.name], strict=True
                ):
                    if wanted - had:
                        kind, steps = min(wanted - had)
                        self.refuse(
                            "suites",
                            f"{other.name} has too few problems: of {kind} with {steps} steps, which {suite.name} has, "
                            f"there is none for seed {seed}",
                        )

    def check_problems(self, suite: SuiteSpec) -> None:
        """Check that a suite has problems of the kinds and lengths that have a place."""
        for seed, cells in zip(self.experiment.seeds, self.cells[suite.name], strict=True):
            kinds, lengths = ({cell[place] for cell in cells} for place in (0, 1))
            if self.needs.by_kind and kinds != set(KINDS):
                self.refuse(
                    "suites",
                    f"the problems of {suite.name} are of {list_words(sorted(kinds))} (seed {seed}), "
                    f"but {self.module} shows {' and '.join(KINDS)}",
                )
            missing = set(itertools.product(KINDS, lengths)) - cells
            if self.needs.by_length and missing:
                kind, steps = min(missing)
                self.refuse(
                    "suites",
                    f"{suite.name} has no {kind} problem of {steps} steps (seed {seed}), "
                    f"but {self.module} shows each kind by number of steps",
                )

    def list_cells(self, suites: Iterable[str]) -> frozenset[Cell]:
        """Return what the problems of these suites fall on, for any seed."""
        return frozenset().union(*itertools.chain(*(self.cells[suite] for suite in suites)))

    def describe_suites(self, names: tuple[str, ...]) -> Any:
        """Return what must be alike in what different runs are evaluated on, whatever the task."""
        suites = [self.experiment.suites[name] for name in names]
        return sorted(
            (suite.forced_strategies, suite.completions_per_problem, sorted(self.list_cells([suite.name])))
            for suite in suites
        )

    def list_shown_runs(self) -> list[str]:
        """Return the runs that have places of their own."""
        runs = self.experiment.list_figure_runs(self.values)
        return [run for run in runs if run in self.experiment.rl_values] if "RL" in self.needs.runs else runs

    def check_axes(self) -> None:
        """Check that each place has one run, and that there are not more than can be told apart."""
        taken: dict[tuple[tuple[str, ...], ...], str] = {}
        shown: dict[tuple[str, str], Any] = {}
        for run in self.list_shown_runs():
            settings = self.experiment.describe_run(run)
            words = {}
            for column in itertools.chain(*self.needs.axes):
                value = settings[column]
                if value is None:
                    self.refuse("runs", f"{run} has no {column}, by which {self.module} places its runs")
                words[column] = format_value(column, value)
                other = shown.setdefault((column, words[column]), value)
                if other != value:
                    self.refuse(
                        "runs", f"{column} is {other} or {value} in them, which {self.module} cannot tell apart"
                    )
            cell = tuple(tuple(words[column] for column in axis) for axis in self.needs.axes)
            if self.needs.axes and cell in taken:
                self.refuse(
                    "runs",
                    f"{taken[cell]} and {run} are both of {self.describe_cell(cell)}, one place of {self.module}",
                )
            taken[cell] = run
        some_of = [(cell,) for cell in self.needs.some_of]
        if some_of and not taken.keys() & set(some_of):
            self.refuse("runs", f"none has a place in {self.module}, such as that of {self.describe_cell(some_of[0])}")
        wanted = [(cell,) for cell in self.needs.cells]
        wanted += itertools.product(*(dict.fromkeys(values) for values in zip(*taken, strict=True)))
        for cell in wanted:
            if cell not in taken:
                self.refuse(
                    "runs", f"none of them is of {self.describe_cell(cell)}, for which {self.module} has a place"
                )
        for column, most in self.needs.most.items():
            if (found := self.count_values(column)) > most:
                key = "suites" if column in ("suite", "steps", "parts") else "runs"
                self.refuse(key, f"found {found} {COUNTED[column]}, but {self.module} can show {most} at most")

    def describe_cell(self, cell: tuple[tuple[str, ...], ...]) -> str:
        columns = itertools.chain(*self.needs.axes)
        return list_words(f"{column} {value}" for column, value in zip(columns, itertools.chain(*cell), strict=True))

    def count_values(self, column: str) -> int:
        """Return how many values are to be told apart; column: a key of COUNTED."""
        suites = [suite for suite in self.values["suites"] if not self.experiment.suites[suite].forced_strategies]
        runs = self.list_shown_runs()
        match column:
            case "run":
                return len(runs)
            case "stage":
                return len({self.experiment.describe_run(run)["stage"] for run in runs})
            case "suite":
                return len(suites)
            case "steps":
                return len({number for kind, number in self.list_cells(suites) if kind in KINDS})
            case "parts":
                return len({1 if kind in KINDS else number for kind, number in self.list_cells(suites)})
        raise KeyError(column)
