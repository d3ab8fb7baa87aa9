"""The list of runs: what is done, missing or stale, judged from the records beside the checkpoints alone."""

import copy
import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest
from configurations import CONFIG, SCHEMA

from selectimprove.commands.runs import find_checkpoint, find_state, format_runs, list_runs
from selectimprove.experiment.config import load_experiment
from selectimprove.experiment.experiment import KEY_SETTINGS
from selectimprove.files import write_json
from selectimprove.provenance.records import RECORD, digest_checkpoint, digest_file

RESULTS = Path("results/tiny")
# FB_further goes on from an RL run: FB, FB_rl_2_5, FB_further.
FURTHER = {"start": "FB_rl_2_5", "dataset": "rl_6_9", "updates": 40}
RL_RUNS = {"FB_further", *(f"{model}_rl_{steps}" for model in ("F", "B", "FB") for steps in ("2_5", "6_9"))}
RUNS = {"F", "B", "FB", *RL_RUNS}


def load(changes: dict):
    """Return the default experiment and FB_further, with changes, each {"dotted.key": value}."""
    config = copy.deepcopy(CONFIG)
    config["rl"]["FB_further"] = dict(FURTHER)
    for place, value in changes.items():
        *path, key = place.split(".")
        target = config
        for part in path:
            target = target[part]
        target[key] = value
    return load_experiment(config, SCHEMA)


def digest_input(path: Path) -> str:
    return digest_checkpoint(path) if path.is_dir() else digest_file(path)


def write_input(path: Path) -> Path:
    """Write a data file or, where the path has no suffix, a checkpoint folder, unless it is there."""
    file = path if path.suffix else path / "model.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.write_text(f"content of {path}")
    return path


def make_run(experiment, run: str, seed: int = 0) -> None:
    """Write the checkpoints of a run as training.keep_checkpoint does, what it starts from first."""
    values = experiment.rl_values.get(run) or experiment.sft_values[run]
    data = RESULTS / "data" / values["dataset"] / f"seed{seed}"
    if run in experiment.rl_values:
        stage, spec = "rl", experiment.make_rl_spec(run, seed)
        start = values["start"]
        start_stage = "rl" if start in experiment.rl_values else "sft"
        last = experiment.list_checkpoint_steps(start)[-1]
        start_folder = RESULTS / start_stage / start / f"seed{seed}" / "checkpoints" / f"step{last}"
        if not start_folder.exists():
            make_run(experiment, start, seed)
        inputs = [start_folder, write_input(data / "train.jsonl")]
    else:
        stage, spec = "sft", experiment.make_sft_spec(run, seed)
        base = RESULTS / "pretrain" / "gf11" / f"seed{seed}" / "checkpoint"
        inputs = [write_input(path) for path in (data / "train.jsonl", data / "validation.jsonl", base)]
    for step in experiment.list_checkpoint_steps(run):
        folder = write_input(RESULTS / stage / run / f"seed{seed}" / "checkpoints" / f"step{step}")
        record = {
            "spec": dataclasses.asdict(spec),
            "inputs": {str(path): digest_input(path) for path in inputs},
            "commit": "none",
            "versions": {},
            "digest": digest_checkpoint(folder),
        }
        write_json(folder / RECORD, record)


def find_states(experiment, seed: int = 0) -> dict[str, str]:
    return {run: find_state(experiment, RESULTS, run, seed) for run in (*experiment.sft_values, *experiment.rl_values)}


def list_stale(experiment) -> set[str]:
    """Return the stale runs; all others must be done."""
    states = find_states(experiment)
    assert set(states.values()) <= {"done", "stale"}, states
    return {run for run, state in states.items() if state == "stale"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The working folder; records name their inputs by their paths from there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def experiment():
    """The default experiment, its results all made."""
    experiment = load({})
    for run in (*experiment.sft_values, *experiment.rl_values):
        make_run(experiment, run)
    return experiment


def test_nothing_made_is_missing() -> None:
    experiment = load({})
    assert find_states(experiment) == dict.fromkeys(RUNS, "missing")
    assert set(list_runs(experiment, RESULTS)["state"]) == {"missing"}
    assert not RESULTS.exists()


def test_everything_made_is_done(experiment) -> None:
    assert find_states(experiment) == dict.fromkeys(RUNS, "done")


def test_last_checkpoint_lies_with_its_stage(experiment) -> None:
    found = [find_checkpoint(experiment, RESULTS, run, 3) for run in ("FB", "FB_rl_2_5", "FB_further")]
    assert list(map(str, found)) == [
        "results/tiny/sft/FB/seed3/checkpoints/step0",
        f"results/tiny/rl/FB_rl_2_5/seed3/checkpoints/step{experiment.rl_values['FB_rl_2_5']['updates']}",
        "results/tiny/rl/FB_further/seed3/checkpoints/step40",
    ]


def test_run_without_its_last_checkpoint_is_missing(experiment) -> None:
    """Earlier ones do not count, nor does a folder without its record."""
    (find_checkpoint(experiment, RESULTS, "B_rl_2_5", 0) / RECORD).unlink()
    assert (RESULTS / "rl/B_rl_2_5/seed0/checkpoints/step75" / RECORD).is_file()
    states = find_states(experiment)
    assert states.pop("B_rl_2_5") == "missing"
    assert set(states.values()) == {"done"}


CHANGES = {
    "RL setting": ({"rl.F_rl_2_5.beta": 0.1}, {"F_rl_2_5"}),
    "fewer updates": ({"rl.F_rl_6_9.updates": 75}, {"F_rl_6_9"}),
    "default of RL": ({"rl.defaults.learning_rate": 1.0}, RL_RUNS),
    "setting of an SFT run": ({"sft.B.epochs": 2}, {"B", "B_rl_2_5", "B_rl_6_9"}),
    "SFT run two runs before": ({"sft.FB.epochs": 2}, {"FB", "FB_rl_2_5", "FB_rl_6_9", "FB_further"}),
    "RL run before": ({"rl.FB_rl_2_5.temperature": 1.0}, {"FB_rl_2_5", "FB_further"}),
    "start": ({"rl.FB_further.start": "FB_rl_6_9"}, {"FB_further"}),
    "LoRA": ({"sft.F.lora": {"rank": 4, "alpha": 8, "dropout": 0.0}}, {"F", "F_rl_2_5", "F_rl_6_9"}),
    "model": ({"model.architecture.layers": 4}, RUNS),
    "suite": ({"suites.steps_2_5.temperature": 1.0}, set()),
    "threads": ({"pretrain.threads": 2}, set()),
    "order of the keys": ({"rl.FB_further": dict(reversed(FURTHER.items()))}, set()),
}


@pytest.mark.parametrize(("changes", "stale"), CHANGES.values(), ids=CHANGES)
def test_run_of_another_spec_is_stale_and_so_are_those_after_it(experiment, changes, stale) -> None:
    assert list_stale(load(changes)) == stale


def test_run_with_lora_is_done() -> None:
    """Its record holds a spec within the spec."""
    experiment = load({"sft.F.lora": {"rank": 4, "alpha": 8, "dropout": 0.05}})
    make_run(experiment, "F_rl_2_5")
    states = find_states(experiment)
    assert {run for run, state in states.items() if state == "done"} == {"F", "F_rl_2_5"}
    assert find_states(load({}))["F"] == "stale"


def test_run_of_another_recipe_is_stale(experiment) -> None:
    record_file = find_checkpoint(experiment, RESULTS, "B_rl_2_5", 0) / RECORD
    record = json.loads(record_file.read_text())
    record["spec"]["recipe_version"] -= 1
    write_json(record_file, record)
    assert list_stale(experiment) == {"B_rl_2_5"}


INPUTS = {
    "data of an RL run": ("data/rl_2_5/seed0/train.jsonl", {"F_rl_2_5", "B_rl_2_5", "FB_rl_2_5", "FB_further"}),
    "data of an SFT run": ("data/sft_F/seed0/train.jsonl", {"F", "F_rl_2_5", "F_rl_6_9"}),
    "validation data of an SFT run": ("data/sft_F/seed0/validation.jsonl", {"F", "F_rl_2_5", "F_rl_6_9"}),
    "base model": ("pretrain/gf11/seed0/checkpoint/model.safetensors", RUNS),
    "SFT model": ("sft/B/seed0/checkpoints/step0/model.safetensors", {"B_rl_2_5", "B_rl_6_9"}),
    "RL model that another run starts from": (
        f"rl/FB_rl_2_5/seed0/checkpoints/step{CONFIG['rl']['defaults']['updates']}/model.safetensors",
        {"FB_further"},
    ),
    "checkpoint that no run starts from": ("rl/FB_rl_2_5/seed0/checkpoints/step25/model.safetensors", set()),
    "data of another seed": ("data/rl_2_5/seed1/train.jsonl", set()),
}


@pytest.mark.parametrize(("file", "stale"), INPUTS.values(), ids=INPUTS)
def test_run_of_other_inputs_is_stale_and_so_are_those_after_it(experiment, file, stale) -> None:
    path = write_input(RESULTS / file)
    path.write_text("other content")
    assert list_stale(experiment) == stale


@pytest.mark.parametrize(
    ("path", "stale"),
    [("data/sft_F/seed0/train.jsonl", {"F", "F_rl_2_5", "F_rl_6_9"}), ("pretrain/gf11/seed0/checkpoint", RUNS)],
)
def test_run_whose_input_is_gone_is_stale(experiment, path, stale) -> None:
    (RESULTS / path).rename(RESULTS / "elsewhere")
    assert list_stale(experiment) == stale


def test_run_whose_start_is_missing_is_stale(experiment) -> None:
    """Also where the weights that it started from are still the same, and through another run in between."""
    (find_checkpoint(experiment, RESULTS, "FB", 0) / RECORD).unlink()
    states = find_states(experiment)
    assert states.pop("FB") == "missing"
    assert {run for run, state in states.items() if state == "stale"} == {"FB_rl_2_5", "FB_rl_6_9", "FB_further"}
    assert "missing" not in states.values()


def test_records_and_hidden_files_of_an_input_do_not_count(experiment) -> None:
    """A checkpoint made again with the same weights has another record, and Snakemake leaves time stamps."""
    folder = find_checkpoint(experiment, RESULTS, "FB", 0)
    (folder / ".snakemake_timestamp").touch()
    record = json.loads((folder / RECORD).read_text())
    write_json(folder / RECORD, {**record, "commit": "another"})
    assert list_stale(experiment) == set()


def test_several_seeds_are_counted(experiment) -> None:
    """Of F every seed is done, of B one is missing, of FB one is stale and one missing; done ones come first."""
    seeds = load({"seeds": [2, 0, 1]})
    for run, seed in [("F", 1), ("F", 2), ("B", 2), ("FB", 1)]:
        make_run(seeds, run, seed)
    (RESULTS / "data/sft_FB/seed1/train.jsonl").write_text("other content")
    table = list_runs(seeds, RESULTS).set_index("run")
    assert table["state"].to_dict() == {
        "F": "3 done",
        "B": "2 done, 1 missing",
        "FB": "1 done, 1 stale, 1 missing",
        **{run: "1 done, 2 missing" for run in RL_RUNS},
    }
    assert set(list_runs(experiment, RESULTS)["state"]) == {"done"}


def test_seeds_that_nothing_is_made_from_are_not_counted(experiment) -> None:
    """F is done for the one seed that is taken of it; of B both are taken, of FB, which nothing takes, all count."""
    tables = {"first": {"runs": ["F"], "seed_count": 1}, "all": {"runs": ["B"]}}
    tables = {name: {"module": "accuracy", "suites": ["steps_6_9"], **values} for name, values in tables.items()}
    seeds = load({"seeds": [0, 3], "figures": {}, "tables": tables, "claims": []})
    states = list_runs(seeds, RESULTS).set_index("run")["state"]
    assert states[["F", "B", "FB"]].to_list() == ["done", "1 done, 1 missing", "1 done, 1 missing"]


def test_one_row_a_run_with_its_settings(experiment) -> None:
    """SFT runs first, as declared; what a run does not have is missing."""
    table = list_runs(experiment, RESULTS)
    assert list(table.columns) == ["run", *KEY_SETTINGS, "state"]
    assert list(table["run"]) == [*experiment.sft_values, *experiment.rl_values]
    rows = table.set_index("run")
    further, changed = rows.loc["FB_further"], experiment.rl_values["FB_further"]
    assert further["start"] == "FB_rl_2_5"
    assert further["updates"] == 40
    assert further["beta"] == CONFIG["rl"]["defaults"]["beta"]
    assert [further[name] for name in KEY_SETTINGS] == [changed[name] for name in KEY_SETTINGS]
    sft = rows.loc["FB"]
    assert (sft["dataset"], sft["learning_rate"]) == ("sft_FB", CONFIG["sft"]["defaults"]["learning_rate"])
    assert {name for name in KEY_SETTINGS if pd.isna(sft[name])} == {
        "start",
        "updates",
        "beta",
        "completions_per_prompt",
    }


def test_text_has_a_line_a_run(experiment) -> None:
    """With the heading above, whole numbers as they are written, and nothing where a setting is missing."""
    seeds = load({"seeds": list(range(12))})
    table = list_runs(seeds, RESULTS)
    heading, *lines = format_runs(table).splitlines()
    assert heading.split() == ["run", *KEY_SETTINGS, "state"]
    assert len(lines) == len(table)
    for line, (_, row) in zip(lines, table.iterrows(), strict=True):
        values = [str(row[name]) for name in ("run", *KEY_SETTINGS) if not pd.isna(row[name])]
        assert line.split() == [*values, "1", "done,", "11", "missing"]
    (further,) = [line.split() for line in lines if line.split()[0] == "FB_further"]
    assert further[:4] == ["FB_further", "FB_rl_2_5", "rl_6_9", "40"]
