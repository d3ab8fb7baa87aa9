"""From the configuration to specs: merge defaults, check everything that can be checked before any compute is spent.

Every mistake is a ConfigError: one sentence that names the key, what was found and what is allowed.
"""

import copy
import dataclasses
import difflib
import math
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

from selectimprove.field import LARGEST_ORDER, SMALLEST_ORDER, is_prime
from selectimprove.problems import check_capacity
from selectimprove.specs import (
    SPLITS,
    DatasetSpec,
    DataSpec,
    EvaluationSpec,
    FieldSpec,
    FigureSpec,
    ModelSpec,
    PretrainSpec,
    RLSpec,
    SFTSpec,
    SuiteSpec,
    build_spec,
    digest_specs,
    list_kept_steps,
)
from selectimprove.texts import TEXT_FORMS, SymbolicText

DEFAULT_PRESET = "tiny"
SECTIONS = ("datasets", "sft", "rl", "suites")


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


def merge_defaults(defaults: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return `defaults` with `overrides` laid over them, nested mappings key by key."""
    merged = copy.deepcopy(defaults)
    for key, value in overrides.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge_defaults(merged[key], value) if nested else value
    return merged


def parse_steps(place: str, steps: str) -> tuple[int, int]:
    """Return "2-5" as (2, 5)."""
    lowest, highest = map(int, steps.split("-"))
    if lowest > highest:
        raise ConfigError(f"{place}: found {steps!r}, the lower number of steps must come first")
    return lowest, highest


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
    field: FieldSpec
    model: ModelSpec
    pretrain_values: dict[str, Any]
    datasets: dict[str, DatasetSpec]
    sft_values: dict[str, dict[str, Any]]
    rl_values: dict[str, dict[str, Any]]
    suites: dict[str, SuiteSpec]
    figures: dict[str, dict[str, Any]]
    tables: dict[str, dict[str, Any]]

    @property
    def pretrains(self) -> bool:
        """Whether the workflow makes the base model itself."""
        return self.model.source == "scratch"

    def make_data_spec(self, dataset: str, seed: int) -> DataSpec:
        return DataSpec(self.datasets[dataset], self.field, self.model.text, seed)

    def make_pretrain_spec(self, seed: int) -> PretrainSpec:
        values = {key: value for key, value in self.pretrain_values.items() if key != "threads"}
        return PretrainSpec(model=self.model, field=self.field, seed=seed, **values)

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

    def list_checkpoint_steps(self, run: str) -> list[int]:
        """Return the RL steps of the run's kept checkpoints; [0] for an SFT run."""
        if run not in self.rl_values:
            return [0]
        return list_kept_steps(self.rl_values[run]["updates"], self.rl_values[run]["checkpoint_every"])

    def make_evaluation_spec(self, run: str, suite: str, seed: int) -> EvaluationSpec:
        lineage = self.find_lineage(run)
        training = "+".join(self.rl_values[ancestor]["dataset"] for ancestor in lineage[1:]) or "sft"
        return EvaluationSpec(
            run=run,
            sft_run=lineage[0],
            training=training,
            checkpoint_steps=tuple(self.list_checkpoint_steps(run)),
            suite=self.suites[suite],
            text=self.model.text,
            seed=seed,
        )

    def list_figure_runs(self, values: dict[str, Any]) -> list[str]:
        """Return the SFT runs that a figure's runs start from, then its runs."""
        roots = [self.find_lineage(run)[0] for run in values["runs"]]
        return list(dict.fromkeys([*roots, *values["runs"]]))

    def list_evaluations(self) -> list[tuple[str, str]]:
        """Return each (run, suite) that a figure or table takes."""
        drawn = [*self.figures.values(), *self.tables.values()]
        pairs = (
            (run, suite) for values in drawn for run in self.list_figure_runs(values) for suite in values["suites"]
        )
        return list(dict.fromkeys(pairs))

    def make_figure_spec(self, name: str) -> FigureSpec:
        """Return the spec of a figure or table; its digest covers the specs of everything it is drawn from."""
        values = self.tables[name] if name in self.tables else self.figures[name]
        upstream: list[Any] = []
        for seed in self.seeds:
            if self.pretrains:
                upstream.append(self.make_pretrain_spec(seed))
            for run in dict.fromkeys(run for end in values["runs"] for run in self.find_lineage(end)):
                make = self.make_rl_spec if run in self.rl_values else self.make_sft_spec
                spec = make(run, seed)
                upstream += [spec, self.make_data_spec(spec.dataset, seed)]
                upstream += [self.make_evaluation_spec(run, suite, seed) for suite in values["suites"]]
        for suite in values["suites"]:
            upstream += [self.make_data_spec(self.suites[suite].dataset, seed) for seed in self.seeds]
        return FigureSpec(
            name=name,
            runs=tuple(values["runs"]),
            suites=tuple(values["suites"]),
            seeds=self.seeds,
            config_digest=digest_specs(*upstream),
        )


def check_field(values: dict[str, Any]) -> FieldSpec:
    order = values["order"]
    if not (is_prime(order) and SMALLEST_ORDER <= order <= LARGEST_ORDER):
        raise ConfigError(
            f"field.order: found {order}, must be a prime number from {SMALLEST_ORDER} to {LARGEST_ORDER}"
        )
    return FieldSpec(**values)


def check_model(values: dict[str, Any]) -> ModelSpec:
    """Return the model spec; a folder must hold weights in safetensors."""
    source = values["source"]
    looks_local = Path(source).is_dir() or source.startswith((".", "/", "~"))
    if source == "scratch":
        if values["text"] != "symbolic":
            raise ConfigError(f"model.text: found {values['text']!r}; the model from scratch reads only symbolic")
    elif looks_local:
        if not (Path(source) / "config.json").is_file() or not list(Path(source).glob("*.safetensors")):
            raise ConfigError(f"model.source: {source} must be a folder with config.json and *.safetensors weights")
    elif not re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        raise ConfigError(f"model.source: found {source!r}, must be scratch, a folder, or a hub id such as owner/name")
    elif values["revision"] is None:
        raise ConfigError(f"model.revision: the hub id {source} needs a pinned revision, a commit hash")
    architecture = values["architecture"]
    if architecture["hidden_size"] % (2 * architecture["heads"]):
        raise ConfigError(
            f"model.architecture.hidden_size: found {architecture['hidden_size']}, "
            f"must be a multiple of twice the heads ({architecture['heads']})"
        )
    return build_spec(ModelSpec, values)


def check_datasets(entries: dict[str, dict], field: FieldSpec, text: str) -> dict[str, DatasetSpec]:
    """Return the data set specs: shares sum to 1, labels suffice, and enough distinct problems exist."""
    specs = {}
    for name, values in entries.items():
        place = f"datasets.{name}"
        steps = parse_steps(f"{place}.steps", values["steps"])
        pool = TEXT_FORMS[text].label_pool
        if pool is not None and steps[1] > pool:
            raise ConfigError(f"{place}.steps: found {values['steps']}, the text form has labels for {pool} steps")
        for split in SPLITS:
            if split not in values["sizes"]:
                raise ConfigError(f"{place}.sizes: the key {split!r} is missing")
        for key in ("kinds", "strategies"):
            if values[key] is not None and abs(sum(values[key].values()) - 1) > 1e-9:
                raise ConfigError(f"{place}.{key}: the shares {values[key]} sum to {sum(values[key].values())}, not 1")
        specs[name] = DatasetSpec(name=name, **{**values, "steps": steps})
        try:
            check_capacity(specs[name], field.order)
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


def check_budget(place: str, budget: int, steps: tuple[int, int], text: str) -> None:
    """Raise ConfigError if the token budget cannot hold the longest trace and its end-of-sequence token."""
    needed = TEXT_FORMS[text].count_words(steps[1]) + 1
    if budget < needed:
        raise ConfigError(
            f"{place}.max_completion_tokens: found {budget}, the longest trace of {steps[1]} steps takes "
            f"at least {needed} tokens"
        )


def merge_sections(config: dict[str, Any]) -> dict[str, dict[str, dict]]:
    """Return the entries of every section with their defaults merged in, checked for missing keys."""
    merged = {}
    for section in SECTIONS:
        entries = {name: values for name, values in config[section].items() if name != "defaults"}
        defaults = config[section].get("defaults", {})
        merged[section] = {name: merge_defaults(defaults, values) for name, values in entries.items()}
    fields = {"datasets": DatasetSpec, "sft": SFTSpec, "rl": RLSpec, "suites": SuiteSpec}
    given = {"name", "run", "model", "seed", "recipe_version"}
    for section, entries in merged.items():
        needed = [field.name for field in dataclasses.fields(fields[section]) if field.name not in given]
        for name, values in entries.items():
            missing = [key for key in needed if key not in values]
            if missing:
                raise ConfigError(f"{section}.{name}: the key {missing[0]!r} is missing")
    return merged


def check_figures(section: str, entries: dict[str, dict], modules: Path, experiment: Experiment) -> None:
    """Raise ConfigError on a figure without a module, or one that names an undeclared run or suite."""
    known_modules = sorted(file.stem for file in modules.glob("*.py") if not file.stem.startswith("_"))
    for name, values in entries.items():
        check_reference(f"{section}.{name}", name, "module", known_modules)
        for run in values["runs"]:
            check_reference(f"{section}.{name}.runs", run, "run", [*experiment.sft_values, *experiment.rl_values])
        for suite in values["suites"]:
            check_reference(f"{section}.{name}.suites", suite, "suite", experiment.suites)


def load_experiment(config: dict[str, Any], schema: dict[str, Any]) -> Experiment:
    """Return the checked experiment. Raises ConfigError on the first mistake found."""
    check_schema(config, schema)
    merged = merge_sections(config)
    field = check_field(config["field"])
    model = check_model(config["model"])
    text = model.text
    datasets = check_datasets(merged["datasets"], field, text)
    pretrain = {**config["pretrain"], "steps": parse_steps("pretrain.steps", config["pretrain"]["steps"])}
    if pretrain["steps"][1] > SymbolicText.label_pool:
        raise ConfigError(f"pretrain.steps: at most {SymbolicText.label_pool} steps, the number of labels")
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
        check_budget(f"rl.{run}", values["max_completion_tokens"], dataset.steps, text)
    for suite, values in merged["suites"].items():
        check_reference(f"suites.{suite}.dataset", values["dataset"], "data set", datasets)
        check_budget(f"suites.{suite}", values["max_completion_tokens"], datasets[values["dataset"]].steps, text)
    experiment = Experiment(
        preset=config["preset"],
        seeds=tuple(config["seeds"]),
        field=field,
        model=model,
        pretrain_values=pretrain,
        datasets=Entries("datasets", datasets),
        sft_values=Entries("sft", merged["sft"]),
        rl_values=Entries("rl", merged["rl"]),
        suites=Entries("suites", {name: SuiteSpec(name=name, **values) for name, values in merged["suites"].items()}),
        figures=Entries("figures", config["figures"]),
        tables=Entries("tables", config["tables"]),
    )
    for section in ("figures", "tables"):
        check_figures(section, config[section], Path(__file__).parent / section, experiment)
    return experiment
