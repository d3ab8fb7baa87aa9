"""The configuration: the shipped ones load, and so does what is just allowed; models and claims are looked at."""

import copy
import json
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from configurations import ALL_RL, CONFIG, DELETE, PRESETS, SCHEMA, UNDRAWN, change, load
from snakemake.utils import update_config

from selectimprove.experiment.config import check_preset, load_experiment, load_files, merge_defaults
from selectimprove.experiment.experiment import ConfigError
from selectimprove.experiment.specs import LoraSpec
from selectimprove.tasks.specs import TaskSpec
from selectimprove.training.sampling import pick_tokens


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
    assert experiment.make_data_spec("sft_FB", 0).task == TaskSpec("field", {"order": 11, "symbol_map": "fixed"})
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


GOOD = {
    "budgets that just suffice": {
        "rl.F_rl_6_9.max_completion_tokens": 44,
        "suites.steps_6_9.max_completion_tokens": 44,
    },
    "as many prompts a step as prompts": {"rl.F_rl_2_5.prompts_per_step": 6400},
    "all problems that exist": UNDRAWN
    | {
        "datasets.rl_2_5.steps": "1-1",
        "datasets.rl_2_5.sizes": {"train": 352, "validation": 44, "test": 44},
        "suites.forced_2_5.problems": 44,
    },
    "smallest order": UNDRAWN
    | {"tasks.gf11.order": 5, "datasets.defaults.steps": "6-9"}
    | {f"datasets.sft_{name}.steps": "6-9" for name in ("F", "B", "FB")}
    | {"datasets.rl_2_5.steps": "6-9"},
    "largest order": {"tasks.gf11.order": 97},
    "run from an RL run": UNDRAWN | {"rl.FB_rl_6_9.start": "FB_rl_2_5"},
    "sentences from a pinned hub id": {
        "model.source": "Qwen/Qwen2.5-1.5B-Instruct",
        "model.revision": "989aa7980e4cf806f80c7fef2b1adb7bc71aa306",
        "model.text": "sentences",
        "rl.defaults.max_completion_tokens": 256,
        "suites.defaults.max_completion_tokens": 256,
    },
    "LoRA": {"sft.F.lora": {"rank": 4, "alpha": 8, "dropout": 0.05}},
    "shares in tenths": {"datasets.rl_2_5.kinds": {"evaluation": 0.9, "inversion": 0.1}},
    "the largest seed": {"seeds": [0, 2**63 - 1]},
    "the smallest numbers": {
        "rl.defaults.temperature": 0.01,
        "suites.defaults.temperature": 0,
        "suites.pass_6_9.temperature": 0.01,
        "rl.defaults.learning_rate": 1e-10,
        "rl.defaults.beta": 0,
        "rl.F_rl_2_5.beta": 1e-6,
        "sft.defaults.epochs": 1e-3,
    },
    "the largest numbers": {
        "rl.defaults.temperature": 100,
        "suites.defaults.temperature": 100,
        "rl.defaults.learning_rate": 1,
        "rl.defaults.beta": 100,
        "rl.defaults.updates": 10**6,
        "suites.defaults.max_completion_tokens": 2**15,
        "execution.threads": 1024,
    },
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_the_edge_of_the_allowed_loads(changes) -> None:
    assert list(load(changes).rl_values) == ALL_RL


def test_score_tables_hold_the_largest_seed() -> None:
    """One more, and pandas would make fractions of all seeds where it joins tables."""
    largest = SCHEMA["properties"]["seeds"]["items"]["maximum"]
    joined, beyond = (
        pd.concat([pd.DataFrame({"seed": [seed]}) for seed in (0, last)], ignore_index=True)["seed"]
        for last in (largest, largest + 1)
    )
    assert (str(joined.dtype), joined.tolist()) == ("int64", [0, largest])
    assert str(beyond.dtype) == "float64"


@pytest.mark.parametrize("temperature", [0.01, 100.0])
def test_tokens_can_be_drawn_at_the_lowest_and_the_highest_temperature(temperature) -> None:
    logits = torch.tensor([[-1000.0, 1000.0]])
    assert pick_tokens(logits, temperature).item() == 1


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


def test_home_folder_of_a_model_is_found(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=rf"^model\.source: {tmp_path}/model must be a folder with config\.json"):
        load({"model.source": "~/model"})
    (tmp_path / "model").mkdir()
    for file in ("config.json", "model.safetensors"):
        (tmp_path / "model" / file).touch()
    assert load({"model.source": "~/model"}).model.source == f"{tmp_path}/model"
    with pytest.raises(
        ConfigError, match=r"^model\.source: found '~no-such-user/model', whose home folder is not known$"
    ):
        load({"model.source": "~no-such-user/model"})


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl"])
def test_model_folder_that_offers_a_pickle_is_refused(name, tmp_path) -> None:
    for file in ("config.json", "model.safetensors", name):
        (tmp_path / file).touch()
    with pytest.raises(ConfigError, match=rf"^model\.source: {tmp_path} offers {name}, a pickle"):
        load({"model.source": str(tmp_path)})


def test_preset_must_be_known_and_its_file_in_use() -> None:
    with pytest.raises(ConfigError, match=r"^preset: 'smokey' is not known; allowed are tiny, .*smoke") as unknown:
        check_preset("smokey", PRESETS, [Path("config.yaml")])
    with pytest.raises(ConfigError, match=r"^preset: 'smoke' needs its file: --configfile .*smoke\.yaml$") as without:
        check_preset("smoke", PRESETS, [Path("config.yaml")])
    assert "\n" not in f"{unknown.value}{without.value}"
    check_preset("smoke", PRESETS, [Path("config.yaml"), PRESETS / "smoke.yaml"])
    check_preset("tiny", PRESETS, [Path("config.yaml")])


def test_defaults_are_merged_key_by_key_and_left_alone() -> None:
    defaults = {"a": {"b": 1, "c": {"d": 2}}, "e": {"f": 3}, "g": {"k": 4}}
    before = copy.deepcopy(defaults)
    merged = merge_defaults(defaults, {"a": {"c": {"d": 5, "h": 6}}, "e": None, "i": {"j": 7}})
    assert merged == {"a": {"b": 1, "c": {"d": 5, "h": 6}}, "e": None, "g": {"k": 4}, "i": {"j": 7}}
    merged["a"]["c"]["d"] = merged["g"]["k"] = 8
    assert defaults == before


def load_preset(changes: dict, config: dict = CONFIG):
    """Return the experiment of a configuration over which a preset is laid as Snakemake lays it."""
    merged = copy.deepcopy(changes)
    for layer in (config, changes):
        update_config(merged, copy.deepcopy(layer))
    return load_experiment(merged, SCHEMA)


def test_null_drops_an_entry_of_every_section() -> None:
    config = change({"tasks.gf13": {"task": "field", "order": 13}})
    dropped = {
        "tasks": {"gf13": None},
        "datasets": {"sft_B": None},
        "sft": {"B": None},
        "rl": {"B_rl_2_5": None, "B_rl_6_9": None},
        "suites": {"pass_6_9": None},
        "figures": {name: None for name in CONFIG["figures"] if name != "figure2"},
        "tables": {name: None for name in CONFIG["tables"]},
    }
    runs = {"figures": {**dropped["figures"], "figure2": {"runs": ["F_rl_6_9", "*_rl_2_5"]}}, "claims": []}
    experiment = load_preset({**dropped, **runs}, config)
    assert list(experiment.tasks) == ["gf11"]
    assert set(experiment.datasets) == {"sft_F", "sft_FB", "rl_2_5", "rl_6_9"}
    assert set(experiment.sft_values) == {"F", "FB"}
    assert set(experiment.rl_values) == {"F_rl_2_5", "F_rl_6_9", "FB_rl_2_5", "FB_rl_6_9"}
    assert set(experiment.suites) == {"steps_2_5", "steps_6_9", "forced_2_5", "forced_6_9"}
    assert set(experiment.figures) == {"figure2"}
    assert experiment.figures["figure2"]["runs"] == ["F_rl_6_9", "F_rl_2_5", "FB_rl_2_5"]
    assert not experiment.tables


def test_null_drops_a_grid_and_one_of_the_entries_that_a_grid_stands_for() -> None:
    grid = {"{model}_again": {"grid": {"model": ["F", "B"]}, "start": "{model}", "dataset": "rl_6_9"}}
    config = change({"rl": {**CONFIG["rl"], **grid}})
    assert {"F_again", "B_again"} < set(load_preset({}, config).rl_values)
    assert list(load_preset({"rl": {"F_again": None}}, config).rl_values) == [*ALL_RL, "B_again"]
    assert list(load_preset({"rl": {"{model}_again": None}}, config).rl_values) == ALL_RL


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": {"gf11": None}}, r"datasets\.\w+\.task: task 'gf11' is not declared; declared are none$"),
        ({"datasets": {"rl_2_5": None}}, r"rl\.\w+\.dataset: data set 'rl_2_5' is not declared; declared are sft_F,"),
        ({"sft": {"F": None}}, r"rl\.F_rl_2_5\.start: run 'F' is not declared; declared are B, FB, "),
        ({"rl": {"F_rl_6_9": None}}, r"figures\.figure2\.runs: run 'F_rl_6_9' is not declared; declared are F, B"),
        ({"suites": {"pass_6_9": None}}, r"figures\.\w+\.suites: suite 'pass_6_9' is not declared; declared are "),
        (
            {"figures": {"figure4": None}},
            r"claims\.core\.start_F\.figure: figure 'figure4' is not declared; declared are ",
        ),
        ({"rl": {"defaults": None}}, r"rl\.defaults: found None, must be object"),
        ({"tasks": {"defaults": None}}, r"tasks\.defaults: found None, must be object"),
        ({"figures": None}, r"figures: found None, must be object"),
        (
            {"figures": {"figure2": "null"}},
            r"figures\.figure2: found 'null', must be object; write null without quotes",
        ),
    ],
)
def test_what_takes_a_dropped_entry_is_told(changes, message) -> None:
    with pytest.raises(ConfigError, match=f"^{message}") as error:
        load_preset(changes)
    assert "\n" not in str(error.value)


def test_short_preset_has_the_runs_and_the_claims_that_they_answer() -> None:
    experiment = load_preset(yaml.safe_load((PRESETS / "smollm2_short.yaml").read_text()))
    runs = ["F_rl_6_9", "B_rl_6_9", "FB_rl_2_5", "FB_rl_6_9"]
    assert set(experiment.rl_values) == set(runs)
    assert set(experiment.suites) == {"steps_2_5", "steps_6_9", "forced_2_5", "forced_6_9"}
    answerable = {
        claim.name
        for claim in load({}).claims
        if set(claim.terms) <= {*experiment.sft_values, *runs} and claim.suite in experiment.suites
    }
    assert {claim.name for claim in experiment.claims} == answerable
    for run in runs:
        spec = experiment.make_rl_spec(run, 0)
        assert experiment.datasets[spec.dataset].sizes["train"] == spec.updates * spec.prompts_per_step


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


@pytest.mark.parametrize(
    ("claim", "changes", "message"),
    [
        (
            {"kind": "inversion"},
            {"datasets.rl_6_9.kinds": {"evaluation": 1, "inversion": 0}},
            r"kind: found 'inversion', but the suite steps_6_9 has problems of evaluation$",
        ),
        (
            {"kind": "composition"},
            {},
            r"kind: found 'composition', but .* steps_6_9 has problems of evaluation, inversion$",
        ),
        ({"parts": 2}, {}, r"parts: found 2, but the suite steps_6_9 has 1 to 1 parts$"),
        (
            {"suite": "forced_6_9", "kind": "all"},
            {"suites.forced_6_9.forced_strategies": ["forward"]},
            r"suite: completions of forced_6_9 open with forward, which does not suit inversion$",
        ),
        (
            {"suite": "held_out"},
            {
                "tasks.gf13": {"task": "field", "order": 13},
                "datasets.gf13": {"task": "gf13"},
                "suites.held_out": {"dataset": "gf13"},
            },
            r"terms: FB is of the task gf11, but the suite held_out is of gf13$",
        ),
    ],
    ids=["kind without problems", "no compositions", "other parts", "strategy that is not forced", "another task"],
)
def test_claim_about_completions_that_will_not_be_is_refused(claim, changes, message, tmp_path) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"core": {"good": {**CLAIM, **claim}}}))
    with pytest.raises(ConfigError, match=rf"^claims\.core\.good\.{message}"):
        load_experiment(change(changes), SCHEMA, file)


def test_claims_of_a_group_are_checked_and_no_others(tmp_path) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"core": {"good": CLAIM}, "more": {"better": CLAIM | {"terms": {"FC": 1}}}}))
    (claim,) = load_experiment(change({}), SCHEMA, file).claims
    assert (claim.name, claim.comparison, claim.threshold) == ("good", "above", 0.5)
    with pytest.raises(
        ConfigError, match=r"^claims: group or claim 'fewer' is not declared; .* core, more, good, better$"
    ):
        load_experiment(change({"claims": ["fewer"]}), SCHEMA, file)
    assert load_experiment(change({"claims": []}), SCHEMA, file).claims == ()


def test_claims_are_named_one_by_one_too_and_checked_once(tmp_path) -> None:
    file = tmp_path / "claims.yaml"
    groups = {"core": {"good": CLAIM, "bad": CLAIM | {"terms": {"FC": 1}}}, "more": {"better": CLAIM}}
    file.write_text(yaml.safe_dump(groups))
    names = ["good", "more", "better"]
    assert [claim.name for claim in load_experiment(change({"claims": names}), SCHEMA, file).claims] == [
        "good",
        "better",
    ]
    with pytest.raises(ConfigError, match=r"^claims\.core\.bad\.terms: run 'FC' is not declared"):
        load_experiment(change({"claims": ["core"]}), SCHEMA, file)


@pytest.mark.parametrize("twice", ["good", "core"])
def test_name_of_two_claims_or_of_a_claim_and_a_group_is_refused(twice, tmp_path) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"core": {"good": CLAIM}, "more": {twice: CLAIM}}))
    with pytest.raises(
        ConfigError, match=rf"^claims\.more\.{twice}: a group, or a claim of another one, has this name"
    ):
        load_experiment(change({"claims": []}), SCHEMA, file)


def test_suites_of_more_problems_than_there_are_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^suites.pass_6_9.problems: found 2000, but rl_6_9 has 1024 test problems"):
        load({"suites.pass_6_9.problems": 2000})


def test_files_are_laid_over_the_configuration_as_snakemake_does(tmp_path) -> None:
    changes = [
        {"seeds": [0, 1], "rl": {"defaults": {"beta": 0.1}, "F_rl_2_5": {"beta": 0.2}}},
        {"seeds": [3], "rl": {"defaults": {"temperature": 1.0}}, "figures": {"failures": None}},
    ]
    files, config = [tmp_path / "one.yaml", tmp_path / "two.json"], copy.deepcopy(CONFIG)
    for file, layer in zip(files, changes, strict=True):
        file.write_text(json.dumps(layer))
        update_config(config, layer)
    experiment = load_files(files)
    assert experiment == load_experiment(config, SCHEMA)
    assert (experiment.seeds, experiment.rl_values["F_rl_2_5"]["beta"]) == ((3,), 0.2)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("preset: smoke", "^preset: 'smoke' needs its file"),
        ("[1]", "found list, must be a mapping of keys of config.yaml$"),
        ("", "found NoneType, must be a mapping"),
        ("a: [", "found what is no YAML: while parsing [^\\n]+$"),
        ("seeds: [0]\nseeds: [1]", "the key seeds stands twice"),
        ("seedz: [0]", "seedz"),
    ],
)
def test_mistake_in_a_file_is_told_in_a_sentence(tmp_path, text, sentence) -> None:
    (tmp_path / "changes.yaml").write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        load_files([tmp_path / "changes.yaml"])
