# Read and check the configuration; where things lie. Nothing here imports torch.
import json
import re
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

SOURCE = Path(workflow.basedir) / "workflow" / "src"
sys.path.insert(0, str(SOURCE))

from selectimprove.experiment import specs
from selectimprove.experiment.config import check_preset, load_experiment
from selectimprove.experiment.environment import check_environment, check_space
from selectimprove.experiment.experiment import ConfigError, read_caption
from selectimprove.commands.failures import print_failures

WORKFLOW = "workflow"
SCRIPTS = f"{WORKFLOW}/scripts"
MODULES = f"{WORKFLOW}/src/selectimprove"
ENVIRONMENT = "../../envs/selectimprove.yaml"

try:
    if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
        check_environment(Path(workflow.basedir) / "envs" / "selectimprove.yaml")
    schema = yaml.safe_load((Path(workflow.basedir) / WORKFLOW / "schemas" / "config.schema.yaml").read_text())
    experiment = load_experiment(config, schema)
    check_preset(experiment.preset, Path(WORKFLOW) / "presets", workflow.overwrite_configfiles)
    check_space(Path("results") / experiment.preset, config["disk_gb"])
except ConfigError as error:
    raise WorkflowError(str(error))

# Jobs find the library without being installed, and use the network for a model on the hub alone.
offline = "" if experiment.model.is_on_hub else "export HF_HUB_OFFLINE=1; "
shell.prefix(f'export PYTHONPATH="{SOURCE}${{{{PYTHONPATH:+:$PYTHONPATH}}}}"; {offline}')

RESULTS = f"results/{experiment.preset}"


# Patterns, not lists of the declared names: Snakemake matches every file against them, and runs can be thousands.
wildcard_constraints:
    seed=r"\d+",
    field=r"\w+",
    dataset=r"\w+",
    sft_run=r"\w+",
    rl_run=r"\w+",
    run=r"\w+",
    suite=r"\w+",
    figure=r"\w+",
    table=r"\w+",


def grow(amount):
    """Return a resource that grows with the attempts of a job."""
    return lambda wildcards, attempt: amount * attempt


def find_resources(rule_name):
    """Return what a rule that trains or samples asks for in this preset."""
    asked = config["resources"][rule_name]
    gpus = asked["gpu"] * (experiment.execution["processes"] if rule_name in ("sft", "rl") else 1)
    return {"mem_mb": grow(asked["mem_mb"]), "runtime": grow(asked["runtime"]), "gpu": gpus}


def launch(script, processes, micro_batches=1):
    """Return what Python runs for a training job; of the plain script nothing else, so that nothing is made again."""
    if micro_batches > 1:
        script = f"{script} --micro-batches {micro_batches}"
    if processes > 1:
        # --multi_gpu means one process a device; where there are no GPUs they share the CPUs. Port 0: any free one.
        options = f"--multi_gpu --num_machines 1 --num_processes {processes} --main_process_port 0"
        script = f"-m accelerate.commands.launch {options} --mixed_precision no --dynamo_backend no {script}"
    return script


def find_checkpoints_folder(run, seed):
    return f"{RESULTS}/{experiment.find_checkpoints_folder(run, seed)}"


def find_data_folder(dataset, seed):
    return f"{RESULTS}/data/{dataset}/seed{seed}"


def list_scores(evaluations):
    return [
        f"{RESULTS}/evaluation/{run}/seed{seed}/{suite}.parquet"
        for run, suite in evaluations
        for seed in experiment.seeds
    ]


def list_base_input(wildcards):
    if base := experiment.find_base(wildcards.sft_run, wildcards.seed):
        return [f"{RESULTS}/{base}"]
    return [experiment.model.source] if Path(experiment.model.source).is_dir() else []


def list_sft_data(wildcards):
    folder = find_data_folder(experiment.sft_values[wildcards.sft_run]["dataset"], wildcards.seed)
    return [f"{folder}/{name}" for name in ("train.jsonl", "validation.jsonl", "field.json")]


def find_start_folder(wildcards):
    return find_checkpoints_folder(experiment.rl_values[wildcards.rl_run]["start"], wildcards.seed)


def find_start_checkpoint(wildcards, input):
    last_step = experiment.list_checkpoint_steps(experiment.rl_values[wildcards.rl_run]["start"])[-1]
    return f"{input.start}/step{last_step}"


def list_rl_data(wildcards):
    folder = find_data_folder(experiment.rl_values[wildcards.rl_run]["dataset"], wildcards.seed)
    return [f"{folder}/train.jsonl", f"{folder}/field.json"]


def list_suite_data(wildcards):
    folder = find_data_folder(experiment.suites[wildcards.suite].dataset, wildcards.seed)
    return [f"{folder}/test.jsonl", f"{folder}/field.json"]


def list_figure_scores(name):
    return list_scores(experiment.list_figure_evaluations(experiment.find_figure(name)))


def list_figure_metrics(name):
    runs = experiment.list_figure_runs(experiment.find_figure(name))
    sft_runs = [run for run in runs if run in experiment.sft_values]
    return [f"{RESULTS}/sft/{run}/seed{seed}/metrics.csv" for run in sft_runs for seed in experiment.seeds]


def list_drawn(figures, tables):
    drawn = (("figures", figures, ("pdf", "png")), ("tables", tables, ("md", "csv")))
    return [
        f"{RESULTS}/{folder}/{name}.{suffix}"
        for folder, names, suffixes in drawn
        for name in names
        for suffix in suffixes
    ]


def list_results():
    """Return a file of everything that the workflow makes by default."""
    claims = [f"{RESULTS}/claims.csv"] if experiment.claims else []
    drawn = list_drawn(experiment.figures, experiment.tables)
    return [*drawn, f"{RESULTS}/scores.parquet", *claims, f"{RESULTS}/report.html"]


def list_sidecars(figures, tables):
    return list(dict.fromkeys(str(Path(file).with_suffix(".json")) for file in list_drawn(figures, tables)))


def list_tests():
    datasets = dict.fromkeys(experiment.suites[suite].dataset for _, suite in experiment.list_evaluations())
    return [f"{find_data_folder(dataset, seed)}/test.jsonl" for dataset in datasets for seed in experiment.seeds]


def show_in_report(file, kind):
    """Return the output marked for Snakemake's own report (--report), under its experiment."""
    return report(
        file,
        caption="../report/caption.rst",
        category=lambda wildcards: experiment.find_figure(wildcards[kind])["experiment"],
        labels={"name": f"{{{kind}}}"},
    )
