"""Mistakes in the configuration, as a user meets them: one sentence, exit status not 0, before any job."""

import json
import re
import shlex
from string import ascii_letters

import pytest
import yaml
from checkout import SMOKE, copy_workflow, run_snakemake

BAD_INPUTS = {
    "unknown key": ({"sft": {"F": {"epoch": 3}}}, "sft.F: unknown key 'epoch' (did you mean 'epochs'?)"),
    "unknown strategy": (
        {"datasets": {"sft_F": {"strategies": {"sideways": 1}}}},
        "datasets.sft_F.strategies: unknown key 'sideways'",
    ),
    "unknown kind": ({"datasets": {"rl_2_5": {"kinds": {"guess": 1}}}}, "datasets.rl_2_5.kinds: unknown key 'guess'"),
    "unknown preset": (
        {"preset": "huge"},
        "preset: 'huge' is not known; allowed are tiny, breakdown, full, gf23, paper, programs, scale, smoke, ",
    ),
    "preset without its file": ({"preset": "smoke"}, "preset: 'smoke' needs its file: --configfile"),
    "unknown run": ({"rl": {"F_rl_2_5": {"start": "G"}}}, "rl.F_rl_2_5.start: run 'G' is not declared"),
    "tracker that is not installed": (
        {"execution": {"report_to": ["clearml"]}},
        "execution.report_to: clearml is not installed: pip install clearml, or leave it out",
    ),
    "cycle": (
        {"rl": {"F_rl_2_5": {"start": "F_rl_6_9"}, "F_rl_6_9": {"start": "F_rl_2_5"}}},
        "the runs start from one another: F_rl_2_5 <- F_rl_6_9 <- F_rl_2_5",
    ),
    "order not prime": (
        {"tasks": {"gf11": {"order": 9}}},
        "tasks.gf11.order: found 9, must be a prime number from 5 to 97",
    ),
    "order out of range": (
        {"tasks": {"gf11": {"order": 101}}},
        "tasks.gf11.order: found 101, must be a prime number from 5 to 97",
    ),
    "steps the wrong way round": ({"datasets": {"rl_2_5": {"steps": "5-2"}}}, "datasets.rl_2_5.steps: found '5-2'"),
    "too many problems": (
        {"datasets": {"rl_2_5": {"sizes": {"test": 8000}}}},
        "test: 8000 problems take 1000 evaluation problems of 2 steps, but of GF(11) only 440 distinct ones exist",
    ),
    "budget too short": (
        {"rl": {"F_rl_6_9": {"max_completion_tokens": 43}}},
        "rl.F_rl_6_9.max_completion_tokens: found 43, the longest completion of 9 steps takes at least 44 tokens",
    ),
    "too many prompts a step": (
        {"rl": {"F_rl_6_9": {"prompts_per_step": 6401}}},
        "rl.F_rl_6_9.prompts_per_step: found 6401, but rl_6_9 has 6400 training prompts",
    ),
    "figure of a dropped run": (
        {"rl": {"F_rl_6_9": None}},
        "figures.figure2.runs: run 'F_rl_6_9' is not declared; declared are F, B, FB, ",
    ),
    "dropped defaults": ({"suites": {"defaults": None}}, "suites.defaults: found None, must be object"),
    "figure of an undeclared run": (
        {"figures": {"figure2": {"runs": ["G_rl_6_9"]}}},
        "figures.figure2.runs: run 'G_rl_6_9' is not declared",
    ),
    "model folder without weights": (
        {"model": {"source": "./workflow"}},
        "model.source: ./workflow must be a folder with config.json and *.safetensors weights",
    ),
    "GPUs by another name": (
        {"resources": {"rl": {"gpus": 1}}},
        "resources.rl: unknown key 'gpus' (did you mean 'gpu'?)",
    ),
    "name that files cannot bear": (
        {"sft": {"x" * 255: {"dataset": "sft_F"}}},
        "sft: found 'x",
    ),
    "temperature that float32 takes for 0": (
        {"suites": {"steps_2_5": {"temperature": 1e-40}}},
        "suites.steps_2_5.temperature: found 1e-40, must be 0 (greedy), or 0.01 to 100",
    ),
    "experiment of the name of a rule": (
        {"figures": {"figure2": {"experiment": "data"}}},
        "figures.figure2.experiment: found 'data', must be none of all, claims, ",
    ),
    "image with a space": ({"container": "my image.sif"}, "container: found 'my image.sif', must be an image without"),
}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return copy_workflow(tmp_path_factory.mktemp("bad_input"))


@pytest.mark.parametrize(("changes", "sentence"), BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_bad_input_is_one_clear_sentence(fresh, tmp_path, changes, sentence):
    file = tmp_path / "changes.yaml"
    file.write_text(yaml.safe_dump(changes))
    process = run_snakemake(fresh, "--configfile", str(file))
    assert process.returncode != 0
    told = [line for line in process.stdout.splitlines() if sentence in line]
    assert len(told) == 1, process.stdout
    assert "Traceback" not in process.stdout
    assert "Job stats" not in process.stdout


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("evaluation/F_rl_6_8/seed0/steps_6_9.parquet", "'F_rl_6_8' is not declared under `rl` in the config; did you"),
        ("evaluation/F/seed0/steps_1_9.parquet", "'steps_1_9' is not declared under `suites` in the config; did you"),
        ("sft/FF/seed0/metrics.csv", "'FF' is not declared under `sft` in the config; did you mean 'F"),
        ("figures/figure9.pdf", "'figure9' is not declared under `figures` in the config; did you mean 'figure"),
        ("data/other/seed0/train.jsonl", "'other' is not declared under `datasets` in the config"),
    ],
)
def test_target_that_is_not_declared_is_named(fresh, target, sentence):
    process = run_snakemake(fresh, "--dry-run", f"results/tiny/{target}")
    assert process.returncode != 0
    assert sentence in process.stdout


def test_settings_reach_commands_as_one_word(fresh, tmp_path):
    source = tmp_path / "a 'model'; touch made \"$(touch made)\""
    source.mkdir()
    for name in ("config.json", "model.safetensors"):
        (source / name).touch()
    file = tmp_path / "changes.yaml"
    tokens = {"defaults": {"max_completion_tokens": 256}}
    model = {"source": str(source), "text": "sentences"}
    file.write_text(yaml.safe_dump({"model": model, "rl": tokens, "suites": tokens}))
    target = "results/tiny/sft/F/seed0/metrics.csv"
    process = run_snakemake(fresh, target, "--configfile", str(file), "--dry-run", "--printshellcmds")
    assert process.returncode == 0, process.stdout
    [command] = re.findall(r"^ *Shell command: (.* --base .*)$", process.stdout, re.MULTILINE)
    words = shlex.split(command)
    assert words[words.index("--base") + 1] == str(source)
    assert not list(fresh.rglob("made"))


def test_tags_in_a_config_file_make_no_objects(fresh, tmp_path):
    file = tmp_path / "changes.yaml"
    file.write_text(
        f"preset: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{tmp_path}/made]]"
    )
    process = run_snakemake(fresh, "--dry-run", "--configfile", str(file))
    assert process.returncode != 0
    assert "is not valid JSON or YAML" in process.stdout
    assert not (tmp_path / "made").exists()


def test_results_folder_that_cannot_be_written(tmp_path):
    fresh = copy_workflow(tmp_path)
    (fresh / "results").write_text("a file where the folder should be")
    process = run_snakemake(fresh)
    assert process.returncode != 0
    assert "results/tiny: cannot write here" in process.stdout


def test_little_space_is_an_error_of_a_run_alone(tmp_path):
    """A dry run warns, and what makes nothing goes on, such as what makes room."""
    fresh = copy_workflow(tmp_path)
    (fresh / "large.yaml").write_text("disk_gb: 1.0e+9")
    target = "results/smoke/data/sft_F/seed0/train.jsonl"
    configuration = ("--configfile", SMOKE)
    told = r"^results/smoke: [^\n]+, but disk_gb says that the preset needs 1000000000\.0$"
    run = run_snakemake(fresh, target, *configuration, "large.yaml")
    assert run.returncode != 0
    assert len(re.findall(told, run.stdout, re.MULTILINE)) == 1, run.stdout
    assert "Traceback" not in run.stdout
    assert not (fresh / "results").exists()
    dry_run = run_snakemake(fresh, target, *configuration, "large.yaml", "--dry-run")
    assert dry_run.returncode == 0, dry_run.stdout
    assert len(re.findall(told, dry_run.stdout, re.MULTILINE)) == 1, dry_run.stdout
    assert run_snakemake(fresh, target, *configuration).returncode == 0
    for arguments in (["--unlock"], [target], [target, "--delete-all-output"]):
        process = run_snakemake(fresh, *arguments, *configuration, "large.yaml")
        assert process.returncode == 0, process.stdout
        assert "GB are free" not in process.stdout
    assert not (fresh / target).exists()


def test_package_of_another_version_is_warned_of_once_and_recorded(tmp_path):
    """Also where a job is a process of Snakemake's own, as that of list_runs."""
    folder = copy_workflow(tmp_path / "checkout")
    (tmp_path / "torch-2.12.0.dist-info").mkdir()
    (tmp_path / "torch-2.12.0.dist-info/METADATA").write_text("Name: torch\nVersion: 2.12.0\n")
    data = "results/smoke/data/sft_F/seed0"
    arguments = ["list_runs", f"{data}/task.json", "--configfile", SMOKE]
    process = run_snakemake(folder, *arguments, PYTHONPATH=str(tmp_path))
    assert process.returncode == 0, process.stdout
    told = re.findall(r"^versions are not as pinned: torch 2\.12\.0 instead of (\S+); .*", process.stdout, re.MULTILINE)
    assert len(told) == 1, process.stdout
    record = json.loads((folder / data / "provenance.json").read_text(encoding="utf-8"))
    assert record["other_versions"] == {"torch": {"found": "2.12.0", "pinned": told[0]}}
    conda = run_snakemake(folder, "--dry-run", "--sdm", "conda", PYTHONPATH=str(tmp_path))
    assert "torch 2.12.0" not in conda.stdout  # where conda makes the environment of the jobs, this one is not used
    arguments += ["--dry-run", "--config", "strict_versions=True"]
    process = run_snakemake(folder, *arguments, PYTHONPATH=str(tmp_path))
    assert process.returncode != 0
    assert re.search(r"^torch: found 2\.12\.0, must be version \S+; complete the environment", process.stdout, re.M)
    assert "Traceback" not in process.stdout


def test_parsing_imports_no_torch(fresh, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('torch was imported')")
    process = run_snakemake(fresh, "--dry-run", PYTHONPATH=str(tmp_path))
    assert process.returncode == 0, process.stdout
    assert "torch was imported" not in process.stdout


@pytest.mark.parametrize("brackets", ["seeds=[0,1]", "seeds=[0, 1]"])
def test_seeds_on_the_command_line_are_told_to_go_to_a_file(fresh, brackets):
    process = run_snakemake(fresh, "--dry-run", "--config", brackets)
    assert process.returncode != 0
    told = (
        r"^seeds\.\d: found '\d', must be integer; write \d without quotes, in a file for --configfile: --config takes"
    )
    assert re.search(told, process.stdout, re.MULTILINE), process.stdout


def test_run_that_stands_twice_in_a_file_is_told(fresh, tmp_path):
    file = tmp_path / "changes.yaml"
    file.write_text("rl:\n  F_x: {start: F, dataset: rl_2_5}\n  F_x: {start: B, dataset: rl_2_5}\n")
    process = run_snakemake(fresh, "--dry-run", "--configfile", str(file))
    assert process.returncode != 0
    assert f"{file}: the key rl.F_x stands twice, in lines 2 and 3, but may stand once\n" in process.stdout


def test_files_of_the_longest_names_can_be_made(fresh, tmp_path):
    sections = ("datasets", "sft", "rl", "suites", "figures")
    names = {section: f"{section}_{ascii_letters * 2}"[:100] for section in sections}
    config = {
        "seeds": [2**63 - 1],
        "datasets": {names["datasets"]: {"steps": "2-5"}},
        "sft": {names["sft"]: {"dataset": "sft_F"}},
        "rl": {names["rl"]: {"start": names["sft"], "dataset": names["datasets"]}},
        "suites": {names["suites"]: {"dataset": names["datasets"]}},
        "figures": {names["figures"]: {"module": "figure2", "runs": [names["rl"]], "suites": [names["suites"]]}},
    }
    file = tmp_path / "changes.yaml"
    file.write_text(yaml.safe_dump(config))
    target = f"results/tiny/figures/{names['figures']}.pdf"
    process = run_snakemake(fresh, target, "--dry-run", "--printshellcmds", "--configfile", str(file))
    assert process.returncode == 0, process.stdout
    lists = re.findall(r"^ *(?:output|log|benchmark): (.*)$", process.stdout, re.MULTILINE)
    made = {name.split("/")[-1] for line in lists for name in line.split(", ")}
    made |= {word.split("/")[-1] for word in re.findall(r"results/tiny/logs/\S+\.json", process.stdout)}
    assert any(len(name) > 230 for name in made)
    for name in made:
        (tmp_path / f".{name}.tmp").touch()
