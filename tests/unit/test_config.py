"""The configuration: the shipped ones load, and each mistake is told in one line that names the key."""

import copy
import dataclasses
import json
import re
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from selectimprove.config import check_preset, load_experiment, merge_defaults
from selectimprove.environment import check_environment, check_space
from selectimprove.experiment import ConfigError
from selectimprove.scores import RUN_COLUMNS
from selectimprove.specs import (
    EvaluationSpec,
    FigureSpec,
    LoraSpec,
    PretrainSpec,
    ReportSpec,
    RLSpec,
    SFTSpec,
    digest_specs,
    dump_spec,
    parse_spec,
)
from selectimprove.tasks.specs import DataSpec, FieldSpec

ROOT = Path(__file__).parents[2]
PRESETS = ROOT / "workflow/presets"
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
DELETE = object()


def change(changes: dict) -> dict:
    """Return the default configuration with changes, each {"dotted.key": value or DELETE}."""
    config = copy.deepcopy(CONFIG)
    for place, value in changes.items():
        *path, key = place.split(".")
        target = config
        for part in path:
            target = target[part]
        if value is DELETE:
            del target[key]
        else:
            target[key] = value
    return config


def load(changes: dict):
    return load_experiment(change(changes), SCHEMA)


@pytest.fixture(scope="module")
def experiment():
    return load({})


def test_default_configuration_loads(experiment) -> None:
    assert experiment.preset == "tiny"
    assert experiment.seeds == (0,)
    assert set(experiment.sft_values) == {"F", "B", "FB"}
    assert "defaults" not in experiment.rl_values
    assert experiment.datasets["rl_6_9"].steps == (6, 9)
    assert experiment.make_rl_spec("F_rl_2_5", 0).loss_type == CONFIG["rl"]["defaults"]["loss_type"]


@pytest.mark.parametrize("preset", sorted(PRESETS.glob("*.yaml")), ids=lambda file: file.stem)
def test_presets_load(preset) -> None:
    experiment = load_experiment(merge_defaults(CONFIG, yaml.safe_load(preset.read_text())), SCHEMA)
    adding = ("full", "three_seeds")  # to the results of tiny
    assert experiment.preset == ("tiny" if preset.stem in adding else preset.stem)
    for name in [*experiment.figures, *experiment.tables]:
        assert experiment.make_figure_spec(name).evaluations


def test_paper_preset_is_the_paper() -> None:
    config = merge_defaults(CONFIG, yaml.safe_load((PRESETS / "paper.yaml").read_text()))
    experiment = load_experiment(config, SCHEMA)
    assert experiment.model.source == "Qwen/Qwen2.5-1.5B-Instruct"
    assert experiment.make_data_spec("sft_FB", 0).field == FieldSpec(11, "fixed")
    lora = LoraSpec(rank=64, alpha=128, dropout=0.05)
    for run in ("F", "B", "FB"):
        spec = experiment.make_sft_spec(run, 0)
        assert (spec.epochs, spec.batch_size, spec.learning_rate, spec.lora) == (20, 16, 2e-4, lora)
        dataset = experiment.datasets[spec.dataset]
        assert (dataset.steps, dataset.sizes["train"]) == ((2, 5), 2048)
    for run in ALL_RL:
        spec = experiment.make_rl_spec(run, 0)
        assert (spec.prompts_per_step, spec.completions_per_prompt, spec.updates) == (32, 8, 500)
        assert (spec.beta, spec.temperature, spec.learning_rate, spec.checkpoint_every) == (0.05, 0.7, 1e-5, 25)
        dataset = experiment.datasets[spec.dataset]
        assert dataset.sizes["train"] == 1024
        assert dataset.steps == ((2, 5) if run.endswith("2_5") else (6, 9))
        assert dataset.kinds == {"evaluation": 0.5, "inversion": 0.5}


ALL_RL = [run for run in CONFIG["rl"] if run != "defaults"]

BAD = {
    # unknown keys and words
    "unknown key on top": ({"sede": [0]}, r"config: unknown key 'sede' \(did you mean 'seeds'\?\)"),
    "unknown key of the model": ({"model.txt": "symbolic"}, r"model: unknown key 'txt' \(did you mean 'text'\?\)"),
    "unknown key of the field": ({"fields.gf11.size": 11}, r"fields\.gf11: unknown key 'size'; allowed are order"),
    "unknown key of the architecture": ({"model.architecture.width": 1}, r"model\.architecture: unknown key 'width'"),
    "unknown key of pretraining": ({"pretrain.beta": 1}, r"pretrain: unknown key 'beta'"),
    "unknown key of a data set": ({"datasets.rl_6_9.step": "6-9"}, r"datasets\.rl_6_9: unknown key 'step' .*'steps'"),
    "unknown key of an SFT run": ({"sft.FB.start": "F"}, r"sft\.FB: unknown key 'start'"),
    "unknown key of an RL run": ({"rl.FB_rl_6_9.betta": 0}, r"rl\.FB_rl_6_9: unknown key 'betta' .*'beta'"),
    "unknown key of the RL defaults": ({"rl.defaults.lr": 0.1}, r"rl\.defaults: unknown key 'lr'"),
    "unknown key of a suite": ({"suites.steps_2_5.top_p": 1}, r"suites\.steps_2_5: unknown key 'top_p'"),
    "unknown key of a figure": ({"figures.figure2.run": ["F"]}, r"figures\.figure2: unknown key 'run'"),
    "unknown key of LoRA": (
        {"sft.F.lora": {"rank": 4, "alpha": 8, "dropout": 0, "r": 4}},
        r"sft\.F\.lora: unknown key 'r'",
    ),
    "unknown strategy": (
        {"datasets.sft_F.strategies": {"forward": 0.5, "backward": 0.5, "sideways": 0}},
        r"datasets\.sft_F\.strategies: unknown key 'sideways'; allowed are forward, backward",
    ),
    "unknown kind": (
        {"datasets.rl_2_5.kinds": {"evaluation": 0.5, "inversion": 0.5, "composition": 0}},
        r"datasets\.rl_2_5\.kinds: unknown key 'composition'; allowed are evaluation, inversion",
    ),
    "unknown split": ({"datasets.rl_2_5.sizes": {"dev": 5}}, r"datasets\.rl_2_5\.sizes: unknown key 'dev'"),
    "unknown symbol map": (
        {"fields.gf11.symbol_map": "none"},
        r"fields\.gf11\.symbol_map: 'none' .*allowed are fixed, per_problem",
    ),
    "unknown text form": ({"model.text": "prose"}, r"model\.text: 'prose' .*allowed are symbolic, sentences"),
    "unknown loss": ({"rl.F_rl_2_5.loss_type": "ppo"}, r"rl\.F_rl_2_5\.loss_type: 'ppo' .*allowed are grpo"),
    "name with a line break": ({"sft.F\n": {"dataset": "sft_F"}}, r"sft: found 'F\\n', must be letters, digits"),
    "unusable name": ({"sft.F-1": {"dataset": "sft_F"}}, r"sft: found 'F-1', must be letters, digits"),
    # missing keys and wrong types
    "missing section": ({"suites": DELETE}, r"config: the key 'suites' is missing"),
    "missing key of the model": ({"model.revision": DELETE}, r"model: the key 'revision' is missing"),
    "missing data set of a run": ({"rl.F_rl_2_5.dataset": DELETE}, r"rl\.F_rl_2_5: the key 'dataset' is missing"),
    "missing start of a run": ({"rl.F_rl_2_5.start": DELETE}, r"rl\.F_rl_2_5: the key 'start' is missing"),
    "missing default": ({"rl.defaults.beta": DELETE}, r"rl\.\w+: the key 'beta' is missing"),
    "missing share": ({"datasets.rl_2_5.kinds": {"evaluation": 1}}, r"rl_2_5\.kinds: the key 'inversion' is missing"),
    "missing split": (
        {"datasets.defaults.sizes.train": DELETE},
        r"datasets\.rl_2_5\.sizes: the key 'train' is missing",
    ),
    "missing held-out split": (
        {"datasets.defaults.sizes.validation": DELETE},
        r"datasets\.rl_2_5\.sizes: the key 'validation' is missing",
    ),
    "empty section": ({"rl": None}, r"rl: found None, must be object"),
    "empty run": ({"rl.F_rl_2_5": None}, r"rl\.F_rl_2_5: found None, must be object"),
    "text for a number": ({"rl.F_rl_2_5.beta": "small"}, r"rl\.F_rl_2_5\.beta: found 'small', must be number"),
    "scientific notation without a point": ({"sft.F.learning_rate": "1e-4"}, r"sft\.F\.learning_rate: found '1e-4'"),
    "fraction for a count": ({"rl.F_rl_2_5.updates": 1.5}, r"rl\.F_rl_2_5\.updates: found 1\.5, must be integer"),
    "float for a count": ({"rl.F_rl_2_5.updates": 100.0}, r"rl\.F_rl_2_5\.updates: found 100\.0, must be integer"),
    "float for the order": ({"fields.gf11.order": 11.0}, r"fields\.gf11\.order: found 11\.0, must be integer"),
    "float for a seed": ({"seeds": [0.0]}, r"seeds\.0: found 0\.0, must be integer"),
    "truth for a count": ({"seeds": [True]}, r"seeds\.0: found True, must be integer"),
    "not a number": ({"rl.F_rl_2_5.beta": float("nan")}, r"rl\.F_rl_2_5\.beta: found nan"),
    "infinite": ({"sft.F.learning_rate": float("inf")}, r"sft\.F\.learning_rate: found inf"),
    "share that is not a number": (
        {"datasets.rl_2_5.kinds": {"evaluation": float("nan"), "inversion": 0.5}},
        r"datasets\.rl_2_5\.kinds",
    ),
    "no seeds": ({"seeds": []}, r"seeds: "),
    "seed twice": ({"seeds": [1, 1]}, r"seeds: "),
    "negative seed": ({"seeds": [-1]}, r"seeds\.0: found -1, must be at least 0"),
    "zero updates": ({"rl.defaults.updates": 0}, r"rl\.defaults\.updates: found 0, must be at least 1"),
    "one completion a group": ({"rl.defaults.completions_per_prompt": 1}, r"completions_per_prompt: found 1.* least 2"),
    "greedy RL": ({"rl.defaults.temperature": 0}, r"rl\.defaults\.temperature: found 0, must be more than 0"),
    "share above one": (
        {"datasets.defaults.kinds.evaluation": 2},
        r"datasets\.defaults\.kinds\.evaluation: found 2, must be at most 1",
    ),
    "warm-up without end": ({"pretrain.warmup_share": 1}, r"pretrain\.warmup_share: found 1, must be less than 1"),
    # the field, shares and step ranges
    "composite order": ({"fields.gf11.order": 9}, r"fields\.gf11\.order: found 9, must be a prime number from 5 to 97"),
    "even order": ({"fields.gf11.order": 4}, r"fields\.gf11\.order: found 4, must be a prime"),
    "order too large": ({"fields.gf11.order": 101}, r"fields\.gf11\.order: found 101, must be a prime"),
    "order too small": ({"fields.gf11.order": 3}, r"fields\.gf11\.order: found 3, must be a prime"),
    "steps the wrong way round": ({"datasets.rl_2_5.steps": "5-2"}, r"datasets\.rl_2_5\.steps: found '5-2', .*lower"),
    "steps from zero": ({"datasets.rl_2_5.steps": "0-3"}, r"datasets\.rl_2_5\.steps: found '0-3', .*such as 2-5"),
    "steps in words": ({"datasets.rl_2_5.steps": "x"}, r"datasets\.rl_2_5\.steps: found 'x', .*such as 2-5"),
    "steps as a number": ({"datasets.rl_2_5.steps": 5}, r"datasets\.rl_2_5\.steps: found 5, must be string"),
    "pretraining steps the wrong way round": ({"pretrain.steps": "9-1"}, r"pretrain\.steps: found '9-1', .*lower"),
    "more steps than labels": (
        {"datasets.rl_6_9.steps": "6-25"},
        r"datasets\.rl_6_9\.steps: found 6-25 in 1-1 parts, .*24 steps",
    ),
    "more pretraining steps than labels": (
        {"pretrain.steps": "1-25"},
        r"pretrain\.steps: found 1-25 in 1-1 parts, .*24 steps",
    ),
    "more steps than labels in the pretraining of one field": (
        {"fields.gf11.pretrain": {"parts": "1-2"}},
        r"fields\.gf11\.pretrain\.steps: found 1-14 in 1-2 parts, .*24 steps",
    ),
    "unknown key of the pretraining of one field": (
        {"fields.gf11.pretrain": {"beta": 1}},
        r"fields\.gf11\.pretrain: unknown key 'beta'",
    ),
    "kinds that sum to more": (
        {"datasets.rl_2_5.kinds": {"evaluation": 0.75, "inversion": 0.5}},
        r"datasets\.rl_2_5\.kinds: .* sum to 1\.25, not 1",
    ),
    "strategies that sum to less": (
        {"datasets.sft_FB.strategies": {"forward": 0.5, "backward": 0.25}},
        r"datasets\.sft_FB\.strategies: .* sum to 0\.75, not 1",
    ),
    "more training problems than exist": (
        {"datasets.rl_2_5.steps": "1-1", "datasets.rl_2_5.sizes": {"train": 1024}},
        r"datasets\.rl_2_5\.sizes\.train: 1024 .*GF\(11\) only 176 distinct",
    ),
    "more test problems than exist": (
        {"datasets.rl_2_5.steps": "1-1", "datasets.rl_2_5.sizes": {"train": 300, "validation": 44, "test": 45}},
        r"datasets\.rl_2_5\.sizes\.test: 45 .*GF\(11\) only 22 distinct",
    ),
    # the model
    "hub id without revision": ({"model.source": "Qwen/Qwen2.5-1.5B-Instruct"}, r"model\.revision: .*needs a pinned"),
    "hub id at a branch": (
        {"model.source": "Qwen/Qwen2.5-1.5B-Instruct", "model.revision": "main"},
        r"model\.revision: found 'main', .*a commit's hash",
    ),
    "source that is neither": ({"model.source": "qwen"}, r"model\.source: found 'qwen', must be scratch, a folder"),
    "folder that is not there": ({"model.source": "/nowhere/model"}, r"model\.source: /nowhere/model must be a folder"),
    "package without file": ({"model.source": "package:torch"}, r"model\.source: .* must be package:<package>/<file>"),
    "package that is not installed": (
        {"model.source": "package:no_such/a.gguf"},
        r"model\.source: the package no_such is not installed: pip install .* no-such$",
    ),
    "file that a package lacks": (
        {"model.source": "package:torch/a.gguf"},
        r"model\.source: the package torch holds no a\.gguf; it holds none",
    ),
    "processes that do not divide a batch": (
        {"execution.processes": 3},
        r"sft\.F\.batch_size: found 64, must be a multiple of execution\.processes \(3\)",
    ),
    "micro-batches that do not divide a batch": (
        {"execution.processes": 2, "execution.sft_micro_batches": 3},
        r"sft\.F\.batch_size: found 64, .*processes \(2\) times execution\.sft_micro_batches \(3\)",
    ),
    "processes that do not divide the prompts": (
        {"execution.processes": 4, "rl.defaults.prompts_per_step": 30},
        r"rl\.F_rl_2_5\.prompts_per_step: found 30, must be a multiple of execution\.processes \(4\)",
    ),
    "processes that do not divide the micro-batches": (
        {"execution.processes": 8},
        r"rl\.F_rl_2_5\.micro_batches: found 4, must be a multiple of execution\.processes \(8\)",
    ),
    "scratch in sentences": ({"model.text": "sentences"}, r"model\.text: found 'sentences'; .*only symbolic"),
    "odd head size": ({"model.architecture.heads": 3}, r"model\.architecture\.hidden_size: found 128, .*\(3\)"),
    # runs, suites and figures that name one another
    "start not declared": ({"rl.F_rl_2_5.start": "G"}, r"rl\.F_rl_2_5\.start: run 'G' is not declared; declared are F"),
    "start from itself": ({"rl.F_rl_2_5.start": "F_rl_2_5"}, r"rl\.F_rl_2_5\.start: .*F_rl_2_5 <- F_rl_2_5"),
    "runs in a circle": (
        {"rl.F_rl_2_5.start": "F_rl_6_9", "rl.F_rl_6_9.start": "F_rl_2_5"},
        r"rl\.F_rl_2_5\.start: .*F_rl_2_5 <- F_rl_6_9 <- F_rl_2_5",
    ),
    "run that leads into a circle": (
        {"rl.F_rl_2_5.start": "F_rl_6_9", "rl.F_rl_6_9.start": "B_rl_6_9", "rl.B_rl_6_9.start": "F_rl_6_9"},
        r"rl\.F_rl_2_5\.start: .*F_rl_6_9 <- B_rl_6_9 <- F_rl_6_9",
    ),
    "SFT and RL of one name": ({"rl.FB": {"start": "F", "dataset": "rl_2_5"}}, r"rl\.FB: .*has this name already"),
    "data set of SFT not declared": ({"sft.F.dataset": "sft_G"}, r"sft\.F\.dataset: data set 'sft_G' is not declared"),
    "field of a data set not declared": (
        {"datasets.rl_6_9.field": "gf12"},
        r"datasets\.rl_6_9\.field: field 'gf12' is not declared; declared are gf11",
    ),
    "RL over another field": (
        {"fields.gf13": {"order": 13}, "datasets.rl_6_9.field": "gf13"},
        r"rl\.F_rl_6_9\.dataset: rl_6_9 is over the field gf13, but the run starts from a model over gf11",
    ),
    "no suite over the field of a run": (
        {
            "fields.gf13": {"order": 13},
            "datasets.held_out": {"field": "gf13", "steps": "6-9"},
            "suites.steps_6_9.dataset": "held_out",
        },
        r"figures\.figure2\.suites: none is over the field gf11 of the run F_rl_6_9",
    ),
    "unknown word for strategies": (
        {"datasets.sft_F.strategies": "best"},
        r"datasets\.sft_F\.strategies: found 'best', must be null, suited, or shares",
    ),
    "more parts than labels": (
        {"datasets.rl_6_9.parts": "1-3"},
        r"datasets\.rl_6_9\.steps: found 6-9 in 1-3 parts, .*24 steps",
    ),
    "parts the wrong way round": ({"datasets.rl_2_5.parts": "3-1"}, r"datasets\.rl_2_5\.parts: found '3-1', .*lower"),
    "data set of RL not declared": ({"rl.F_rl_2_5.dataset": "rl_0"}, r"rl\.F_rl_2_5\.dataset: data set 'rl_0' is not"),
    "data set of a suite not declared": (
        {"suites.steps_2_5.dataset": "d"},
        r"suites\.steps_2_5\.dataset: data set 'd'",
    ),
    "SFT without completions": ({"sft.F.dataset": "rl_2_5"}, r"sft\.F\.dataset: 'rl_2_5' has no strategies"),
    "run of a figure not declared": ({"figures.figure2.runs": ["F", "G"]}, r"figures\.figure2\.runs: run 'G' is not"),
    "suite of a figure not declared": ({"figures.figure2.suites": ["hard"]}, r"figures\.figure2\.suites: suite 'hard'"),
    "suite of a table not declared": ({"tables.table1.suites": ["hard"]}, r"tables\.table1\.suites: suite 'hard'"),
    "figure without a module": (
        {"figures.figure99": {"runs": ["F"], "suites": ["steps_2_5"]}},
        r"figures\.figure99: module 'figure99' is not declared; declared are .*figure2",
    ),
    "table without a module": (
        {"tables.table99": {"runs": ["F"], "suites": ["steps_2_5"]}},
        r"tables\.table99: module 'table99' is not declared; declared are .*table1",
    ),
    "pattern that no run fits": (
        {"figures.figure2.runs": ["G*"]},
        r"figures\.figure2\.runs: run 'G\*' is not declared",
    ),
    "figure and table of one name": (
        {"tables.figure2": {"module": "table1", "runs": ["F"], "suites": ["steps_2_5"]}},
        r"tables\.figure2: a figure has this name already",
    ),
    "budget too short for parts": (
        {"datasets.rl_2_5.parts": "1-2"},
        r"rl\.F_rl_2_5\.max_completion_tokens: found 48, .*2 parts of 5 steps takes at least 57 tokens",
    ),
    "grid that does not fit the name": (
        {"rl.{model}_rl": {"grid": {"start": ["F"]}, "dataset": "rl_6_9"}},
        r"rl\.\{model\}_rl\.grid: found start, must have the placeholders of the name: model",
    ),
    "figure without runs": ({"figures.figure2.runs": []}, r"figures\.figure2\.runs: "),
    # budgets: the longest trace of 9 steps takes 2 + 4 * 9 + 5 words and the end token
    "RL budget too short": (
        {"rl.F_rl_6_9.max_completion_tokens": 43},
        r"rl\.F_rl_6_9\.max_completion_tokens: found 43, .*9 steps takes at least 44 tokens",
    ),
    "suite budget too short": (
        {"suites.steps_6_9.max_completion_tokens": 43},
        r"suites\.steps_6_9\.max_completion_tokens: found 43, .*9 steps takes at least 44 tokens",
    ),
    "more prompts a step than prompts": (
        {"rl.F_rl_2_5.prompts_per_step": 6401},
        r"rl\.F_rl_2_5\.prompts_per_step: found 6401, but rl_2_5 has 6400",
    ),
    "micro-batches of unequal size": (
        {"rl.F_rl_2_5.micro_batches": 3},
        r"rl\.F_rl_2_5\.micro_batches: found 3, must divide",
    ),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_mistake_is_told_in_one_line_that_names_the_key(changes, message) -> None:
    with pytest.raises(ConfigError) as error:
        load(changes)
    told = str(error.value)
    assert re.search(message, told), told
    assert told.splitlines() == [told]


GOOD = {
    "budgets that just suffice": {
        "rl.F_rl_6_9.max_completion_tokens": 44,
        "suites.steps_6_9.max_completion_tokens": 44,
    },
    "as many prompts a step as prompts": {"rl.F_rl_2_5.prompts_per_step": 6400},
    "all problems that exist": {
        "datasets.rl_2_5.steps": "1-1",
        "datasets.rl_2_5.sizes": {"train": 352, "validation": 44, "test": 44},
        "suites.forced_2_5.problems": 44,
    },
    "smallest order": {"fields.gf11.order": 5, "datasets.defaults.steps": "6-9"}
    | {f"datasets.sft_{name}.steps": "6-9" for name in ("F", "B", "FB")}
    | {"datasets.rl_2_5.steps": "6-9"},
    "largest order": {"fields.gf11.order": 97},
    "run from an RL run": {"rl.FB_rl_6_9.start": "FB_rl_2_5"},
    "sentences from a pinned hub id": {
        "model.source": "Qwen/Qwen2.5-1.5B-Instruct",
        "model.revision": "989aa7980e4cf806f80c7fef2b1adb7bc71aa306",
        "model.text": "sentences",
        "rl.defaults.max_completion_tokens": 256,
        "suites.defaults.max_completion_tokens": 256,
    },
    "LoRA": {"sft.F.lora": {"rank": 4, "alpha": 8, "dropout": 0.05}},
    "shares in tenths": {"datasets.rl_2_5.kinds": {"evaluation": 0.9, "inversion": 0.1}},
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_the_edge_of_the_allowed_loads(changes) -> None:
    assert list(load(changes).rl_values) == ALL_RL


def test_model_folder_needs_config_and_weights(tmp_path) -> None:
    changes = {"model.source": str(tmp_path)}
    with pytest.raises(ConfigError, match=r"^model\.source: .*config\.json and \*\.safetensors weights$"):
        load(changes)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"^model\.source: .*config\.json and \*\.safetensors weights$"):
        load(changes)
    (tmp_path / "model.safetensors").touch()
    assert load(changes).model.source == str(tmp_path)
    assert not load(changes).pretrains


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl"])
def test_model_folder_that_offers_a_pickle_is_refused(name, tmp_path) -> None:
    for file in ("config.json", "model.safetensors", name):
        (tmp_path / file).touch()
    with pytest.raises(ConfigError, match=rf"^model\.source: {tmp_path} offers {name}, a pickle"):
        load({"model.source": str(tmp_path)})


def test_environment_must_have_every_pinned_package(tmp_path) -> None:
    """The version is that of what is installed, less the name of a build."""
    file = tmp_path / "environment.yaml"
    for pin in (f"pytest=={pytest.__version__}", f"torch=={metadata.version('torch').partition('+')[0]}"):
        file.write_text(yaml.safe_dump({"dependencies": ["pip", {"pip": [pin]}]}))
        check_environment(file)
    for pin, found in (("pytest==0.1", pytest.__version__), ("not-to-be-found==2.0", "none")):
        file.write_text(yaml.safe_dump({"dependencies": ["pip", {"pip": [pin]}]}))
        name, _, version = pin.partition("==")
        with pytest.raises(ConfigError, match=f"^{name}: found {found}, must be version {version}; .* `make env`"):
            check_environment(file)


def test_preset_must_be_known_and_its_file_in_use() -> None:
    with pytest.raises(ConfigError, match=r"^preset: 'smokey' is not known; allowed are tiny, .*smoke") as unknown:
        check_preset("smokey", PRESETS, [Path("config.yaml")])
    with pytest.raises(ConfigError, match=r"^preset: 'smoke' needs its file: --configfile .*smoke\.yaml$") as without:
        check_preset("smoke", PRESETS, [Path("config.yaml")])
    assert "\n" not in f"{unknown.value}{without.value}"
    check_preset("smoke", PRESETS, [Path("config.yaml"), PRESETS / "smoke.yaml"])
    check_preset("tiny", PRESETS, [Path("config.yaml")])


def test_space_is_checked_and_nothing_is_made(tmp_path) -> None:
    results = tmp_path / "results" / "tiny"
    check_space(results, 1e-9)
    assert not results.exists()
    with pytest.raises(ConfigError, match=r"results/tiny: \d+\.\d\d GB are free, but disk_gb .* needs 1000000000$"):
        check_space(results, 10**9)


@pytest.mark.parametrize("below", ["", "results"])
def test_unwritable_folder_is_told(tmp_path, below) -> None:
    """Below a regular file no folder can be made, not even by root."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file(/results)?: cannot write here: [^\n]+$"):
        check_space(tmp_path / "file" / below, 1e-9)


def test_defaults_are_merged_key_by_key_and_left_alone() -> None:
    defaults = {"a": {"b": 1, "c": {"d": 2}}, "e": {"f": 3}, "g": {"k": 4}}
    before = copy.deepcopy(defaults)
    merged = merge_defaults(defaults, {"a": {"c": {"d": 5, "h": 6}}, "e": None, "i": {"j": 7}})
    assert merged == {"a": {"b": 1, "c": {"d": 5, "h": 6}}, "e": None, "g": {"k": 4}, "i": {"j": 7}}
    merged["a"]["c"]["d"] = merged["g"]["k"] = 8
    assert defaults == before


SPECS = {
    "data": (DataSpec, lambda experiment: experiment.make_data_spec("sft_FB", 1)),
    "prompts": (DataSpec, lambda experiment: experiment.make_data_spec("rl_6_9", 1)),
    "pretrain": (PretrainSpec, lambda experiment: experiment.make_pretrain_spec("gf11", 1)),
    "sft": (SFTSpec, lambda experiment: experiment.make_sft_spec("FB", 1)),
    "rl": (RLSpec, lambda experiment: experiment.make_rl_spec("FB_rl_6_9", 1)),
    "evaluation": (EvaluationSpec, lambda experiment: experiment.make_evaluation_spec("FB_rl_6_9", "steps_6_9", 1)),
    "figure": (FigureSpec, lambda experiment: experiment.make_figure_spec("figure4")),
    "table": (FigureSpec, lambda experiment: experiment.make_figure_spec("table1")),
    "report": (ReportSpec, lambda experiment: experiment.make_report_spec()),
}
each_spec = pytest.mark.parametrize(("cls", "make"), SPECS.values(), ids=SPECS)


@each_spec
def test_spec_round_trip(cls, make, experiment) -> None:
    spec = make(experiment)
    assert isinstance(spec, cls)
    parsed = parse_spec(cls, dump_spec(spec))
    assert parsed == spec
    assert "\n" not in dump_spec(spec)


@each_spec
def test_order_of_keys_does_not_matter(cls, make, experiment) -> None:
    """Equal specs have one text and one digest, however their shares were written."""
    spec = make(experiment)
    turned = parse_spec(cls, json.dumps(turn_around(json.loads(dump_spec(spec)))))
    assert (dump_spec(turned), digest_specs(turned)) == (dump_spec(spec), digest_specs(spec))


def turn_around(values):
    """Return `values` with the keys of every mapping in reverse order."""
    return {key: turn_around(values[key]) for key in reversed(values)} if isinstance(values, dict) else values


def test_spec_with_lora_round_trip() -> None:
    experiment = load({"sft.F.lora": {"rank": 4, "alpha": 8, "dropout": 0.05}})
    spec = experiment.make_sft_spec("F", 0)
    assert spec.lora.rank == 4
    assert parse_spec(SFTSpec, dump_spec(spec)) == spec


@each_spec
def test_spec_of_other_names_is_refused(cls, make, experiment) -> None:
    values = json.loads(dump_spec(make(experiment)))
    with pytest.raises(TypeError):
        parse_spec(cls, json.dumps({**values, "surprise": 1}))
    first = next(iter(cls.__dataclass_fields__))
    with pytest.raises(TypeError):
        parse_spec(cls, json.dumps({key: value for key, value in values.items() if key != first}))


def vary(values):
    """Yield `values` with each leaf changed in turn."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield from ({**values, key: varied} for varied in vary(value))
    elif isinstance(values, list):
        for index, value in enumerate(values):
            yield from ([*values[:index], varied, *values[index + 1 :]] for varied in vary(value))
    elif isinstance(values, bool):
        yield not values
    elif isinstance(values, str):
        yield values + "x"
    else:
        yield (values or 0) + 1


@each_spec
def test_digest_changes_with_any_value(cls, make, experiment) -> None:
    spec = make(experiment)
    varied = [parse_spec(cls, json.dumps(values)) for values in vary(json.loads(dump_spec(spec)))]
    assert len(varied) >= len(cls.__dataclass_fields__)
    digests = {digest_specs(other) for other in varied}
    assert len(digests) == len(varied)
    assert digest_specs(spec) not in digests
    assert digest_specs(spec) == digest_specs(make(load({})))


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [1]},
        {"seeds": [0, 1]},
        {"fields.gf11.order": 13},
        {"fields.gf11.symbol_map": "per_problem"},
        {"pretrain.updates": 2001},
        {"fields.gf11.pretrain": {"updates": 2001}},
        {"model.architecture.layers": 4},
        {"datasets.rl_6_9.kinds": {"evaluation": 0.75, "inversion": 0.25}},
        {"datasets.sft_B.sizes": {"train": 10}},
        {"sft.FB.learning_rate": 0.1},
        {"rl.FB_rl_6_9.beta": 0.1},
        {"rl.F_rl_6_9.start": "F_rl_2_5"},
        {"suites.steps_6_9.temperature": 1.0},
        {"figures.figure2.runs": ["FB_rl_6_9"]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_figure_digest_follows_what_is_upstream(changes, experiment) -> None:
    changed = load(changes).make_figure_spec("figure2").config_digest
    assert changed != experiment.make_figure_spec("figure2").config_digest


@pytest.mark.parametrize(
    "changes",
    [
        {"rl.F_rl_2_5.beta": 0.1},
        {"suites.steps_2_5.temperature": 1.0},
        {"pretrain.threads": 1},
        {"fields.gf13": {"order": 13, "pretrain": {"updates": 2001}}},
        {"disk_gb": 2},
        {"resources.rl.gpu": 1},
        {"tables.table1.runs": ["FB_rl_6_9"]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_figure_digest_ignores_what_is_not_upstream(changes, experiment) -> None:
    changed = load(changes).make_figure_spec("figure2").config_digest
    assert changed == experiment.make_figure_spec("figure2").config_digest


def test_lineage_and_training_names() -> None:
    experiment = load({"rl.FB_rl_6_9.start": "FB_rl_2_5"})
    assert experiment.find_lineage("FB") == ["FB"]
    assert experiment.find_lineage("FB_rl_6_9") == ["FB", "FB_rl_2_5", "FB_rl_6_9"]
    trainings = {}
    for run in ("FB", "FB_rl_2_5", "FB_rl_6_9"):
        spec = experiment.make_evaluation_spec(run, "steps_6_9", 0)
        assert (spec.run, spec.sft_run) == (run, "FB")
        trainings[run] = spec.training
    assert trainings == {"FB": "sft", "FB_rl_2_5": "rl_2_5", "FB_rl_6_9": "rl_2_5+rl_6_9"}


def test_patterns_among_the_runs_of_a_figure() -> None:
    figures = load({"figures.figure2.runs": ["FB*", "*_rl_6_9"]}).figures
    assert figures["figure2"]["runs"] == ["FB", "FB_rl_2_5", "FB_rl_6_9", "F_rl_6_9", "B_rl_6_9"]


def test_runs_are_evaluated_on_what_figures_take(experiment) -> None:
    evaluations = experiment.list_evaluations()
    assert len(evaluations) == len(set(evaluations))
    assert ("FB_rl_6_9", "steps_2_5") in evaluations
    assert ("FB_rl_2_5", "pass_6_9") not in evaluations
    only = load({"claims": [], "figures": {}, "tables": {"table1": {"runs": ["F_rl_2_5"], "suites": ["steps_6_9"]}}})
    assert only.list_evaluations() == [("F", "steps_6_9"), ("F_rl_2_5", "steps_6_9")]


def test_runs_are_evaluated_on_suites_over_their_own_field() -> None:
    experiment = load(
        {
            "fields.gf13": {"order": 13},
            "datasets.sft_gf13": {"field": "gf13", "strategies": {"forward": 1, "backward": 0}},
            "datasets.rl_gf13": {"field": "gf13", "steps": "6-9"},
            "sft.gf13": {"dataset": "sft_gf13"},
            "rl.gf13_rl": {"start": "gf13", "dataset": "rl_gf13"},
            "suites.gf13": {"dataset": "rl_gf13"},
            "figures.figure2": {"runs": ["F_rl_6_9", "gf13_rl"], "suites": ["steps_6_9", "gf13"]},
        }
    )
    spec = experiment.make_figure_spec("figure2")
    assert spec.evaluations == (
        ("F", "steps_6_9"),
        ("gf13", "gf13"),
        ("F_rl_6_9", "steps_6_9"),
        ("gf13_rl", "gf13"),
    )
    assert [spec.run_settings[run]["field_order"] for run in ("F_rl_6_9", "gf13_rl")] == [11, 13]
    assert experiment.make_pretrain_spec("gf13", 0).field.order == 13


def test_a_field_overrides_how_its_base_is_pretrained(experiment) -> None:
    changed = load({"fields.gf13": {"order": 13, "pretrain": {"parts": "1-3", "steps": "1-4"}}})
    spec = changed.make_pretrain_spec("gf13", 0)
    assert (spec.parts, spec.steps, spec.updates) == ((1, 3), (1, 4), CONFIG["pretrain"]["updates"])
    assert spec.field == FieldSpec(13, "fixed")
    assert changed.make_pretrain_spec("gf11", 0) == experiment.make_pretrain_spec("gf11", 0)


def test_run_settings_say_what_a_run_was_taught_and_trained_on() -> None:
    experiment = load(
        {
            "rl.FB_rl_6_9.start": "FB_rl_2_5",
            "datasets.rl_6_9.kinds": {"evaluation": 0.75, "inversion": 0.25},
            "sft.F.learning_rate": 0.1,
        }
    )
    settings = experiment.describe_run("FB_rl_6_9")
    assert list(settings) == [name for name in RUN_COLUMNS if not name.startswith("validation")]
    assert (settings["model"], settings["trained_steps"], settings["evaluation_share"]) == ("FB", "2-5 then 6-9", 0.75)
    assert experiment.describe_run("B_rl_6_9")["model"] == "B"
    assert (experiment.describe_run("F")["model"], experiment.describe_run("F")["sft_learning_rate"]) == ("F", 0.1)
    assert experiment.describe_run("F")["beta"] is None


def test_report_begins_with_the_core(experiment) -> None:
    entry = {"module": "figure2", "experiment": "other"}
    experiment = dataclasses.replace(experiment, figures={"other": entry, **experiment.figures})
    spec = experiment.make_report_spec()
    assert [group for _, group, _ in spec.figures] == ["core"] * (len(experiment.figures) - 1) + ["other"]
    assert spec.figures[0][0] == "figure2"
    assert spec.figures[0][2].startswith("Figure 2: accuracy on held-out problems during RL")


def test_figures_also_draw_the_models_that_their_runs_start_from(experiment) -> None:
    runs = experiment.list_figure_runs({"runs": ["B_rl_6_9", "F_rl_6_9", "B_rl_2_5"], "suites": []})
    assert runs == ["B", "F", "B_rl_6_9", "F_rl_6_9", "B_rl_2_5"]


@pytest.mark.parametrize(
    ("updates", "every", "steps"),
    [(150, 50, [50, 100, 150]), (150, 40, [40, 80, 120, 150]), (10, 25, [10]), (3, 1, [1, 2, 3]), (1, 1, [1])],
)
def test_last_step_is_always_kept(updates, every, steps) -> None:
    experiment = load({"rl.FB_rl_6_9.updates": updates, "rl.FB_rl_6_9.checkpoint_every": every})
    assert experiment.make_rl_spec("FB_rl_6_9", 0).checkpoint_steps == steps
    assert experiment.make_evaluation_spec("FB_rl_6_9", "steps_6_9", 0).checkpoint_steps == tuple(steps)
    assert experiment.make_evaluation_spec("FB", "steps_6_9", 0).checkpoint_steps == (0,)


CLAIM = {"sentence": "FB is good.", "figure": "figure2", "measure": "accuracy", "suite": "steps_6_9", "kind": "all"}
CLAIM |= {"terms": {"FB": 1}, "above": 0.5}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"terms": {"FC": 1}}, r"claims.core.good.terms: run 'FC' is not declared"),
        ({"suite": "steps_3"}, r"claims.core.good.suite: suite 'steps_3' is not declared"),
        ({"figure": "figure9"}, r"claims.core.good.figure: figure 'figure9' is not declared"),
        ({"below": 0.5}, r"claims.core.good: must have one threshold, above or below"),
        ({"above": DELETE}, r"claims.core.good: must have one threshold, above or below"),
        ({"measure": "luck"}, r"core.good.measure: 'luck' is not allowed; allowed are accuracy, "),
        ({"terms": {}}, r"core.good.terms: "),
        ({"threshold": 1}, r"core.good: unknown key 'threshold'"),
    ],
)
def test_mistakes_in_claims_are_told(changes, message, tmp_path) -> None:
    claim = {key: value for key, value in {**CLAIM, **changes}.items() if value is not DELETE}
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"core": {"good": claim}}))
    with pytest.raises(ConfigError, match=f"^{message}"):
        load_experiment(change({}), SCHEMA, file)


def test_claims_of_a_group_are_checked_and_no_others(tmp_path) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"core": {"good": CLAIM}, "more": {"better": CLAIM | {"terms": {"FC": 1}}}}))
    (claim,) = load_experiment(change({}), SCHEMA, file).claims
    assert (claim.name, claim.comparison, claim.threshold) == ("good", "above", 0.5)
    with pytest.raises(ConfigError, match=r"^claims: group of claims 'fewer' is not declared"):
        load_experiment(change({"claims": ["fewer"]}), SCHEMA, file)
    assert load_experiment(change({"claims": []}), SCHEMA, file).claims == ()


def test_suites_of_more_problems_than_there_are_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^suites.pass_6_9.problems: found 2000, but rl_6_9 has 1024 test problems"):
        load({"suites.pass_6_9.problems": 2000})


def test_last_checkpoint_alone_is_evaluated_where_a_suite_says_so(experiment) -> None:
    assert experiment.make_evaluation_spec("FB_rl_6_9", "pass_6_9", 0).checkpoint_steps == (200,)
    assert len(experiment.make_evaluation_spec("FB_rl_6_9", "forced_6_9", 0).checkpoint_steps) == 8
