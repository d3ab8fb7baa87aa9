# Read and check the configuration; where things lie. Nothing here imports torch.
import json
import re
import shlex
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

# The workflow's own files are in the checkout; results go below the working directory, which --directory may change.
CHECKOUT = Path(workflow.basedir)
SOURCE = CHECKOUT / "workflow" / "src"
sys.path.insert(0, str(SOURCE))

from selectimprove.commands.failures import print_failures
from selectimprove.experiment import messages, specs
from selectimprove.experiment.config import check_preset, load_experiment
from selectimprove.experiment.environment import (
    check_checkout,
    check_container,
    check_environment,
    check_trackers,
    check_writable,
    warn_of_space,
)
from selectimprove.experiment.experiment import ConfigError, find_module, read_caption
from selectimprove.experiment.schema import check_duplicates
from selectimprove.provenance.code import digest_code
from selectimprove.provenance.marks import is_copy, mark_folder
from selectimprove.terminal import print_text

ENVIRONMENT = "../../envs/selectimprove.yaml"
DEPLOYED = workflow.deployment_settings.deployment_method

try:
    check_checkout(CHECKOUT)
    schema = yaml.safe_load((CHECKOUT / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
    check_duplicates(workflow.configfiles)
    experiment = load_experiment(config, schema)
    check_preset(experiment.preset, CHECKOUT / "workflow" / "presets", workflow.overwrite_configfiles)
    if DeploymentMethod.APPTAINER in DEPLOYED:
        check_container(config["container"])
    elif DeploymentMethod.CONDA not in DEPLOYED:
        check_trackers(config["execution"]["report_to"])
        warning = check_environment(CHECKOUT / "envs" / "selectimprove.yaml", config["strict_versions"])
        if warning and workflow.is_main_process:
            logger.warning(warning)
    check_writable(Path("results") / experiment.preset)
except ConfigError as error:
    raise WorkflowError(str(error))

RESULTS = f"results/{experiment.preset}"

if workflow.output_settings.dryrun and (shortage := warn_of_space(Path(RESULTS), config["disk_gb"])):
    logger.warning(shortage)


def quote(text):
    """Return the text as one word of a shell command that Snakemake formats."""
    return shlex.quote(str(text)).replace("{", "{{").replace("}", "}}")


# Jobs run the interpreter that runs Snakemake, unless an environment of their own is deployed for them.
PYTHON = "python" if DEPLOYED else quote(sys.executable)
SCRIPTS = quote(CHECKOUT / "workflow" / "scripts")

# A copy of results has the times of its copying, in any order: they are set to what the records say.
if workflow.is_main_process and is_copy(Path(RESULTS)):
    from selectimprove.provenance.copies import settle_times  # here, since it imports pyarrow

    settle_times(Path(RESULTS))

# Jobs find the library without being installed, and use the network for a model on the hub alone. What the caller's
# environment says of processes, precision, threads and drawing is not for them: results would depend on it.
FOREIGN = [
    f"${{{{!{prefix}_@}}}}" for prefix in ("ACCELERATE", "FSDP", "PMI", "OMPI", "MV2", "OMP", "KMP", "MKL", "ATEN")
]
FOREIGN += ["WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"]
FOREIGN += ["MPLBACKEND", "MATPLOTLIBRC"]
shell.prefix(
    f"unset {' '.join(FOREIGN)}; export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONHASHSEED=0 "
    + ("" if experiment.model.is_on_hub else "HF_HUB_OFFLINE=1 ")
    + f'PYTHONPATH={quote(SOURCE)}"${{{{PYTHONPATH:+:$PYTHONPATH}}}}"; '
)

# Of an SFT or RL job. --multi_gpu means one process a device; where there are no GPUs they share the CPUs. Port 0: any
# free one.
LAUNCHER = (
    f"-m accelerate.commands.launch --multi_gpu --num_machines 1 --num_processes {experiment.execution['processes']} "
    "--main_process_port 0 --mixed_precision no --dynamo_backend no "
    if experiment.execution["processes"] > 1
    else ""
)


# Patterns, not lists of the declared names: Snakemake matches every file against them, and runs can be thousands.
wildcard_constraints:
    seed=r"\d+",
    task=r"\w+",
    dataset=r"\w+",
    sft_run=r"\w+",
    rl_run=r"\w+",
    run=r"\w+",
    suite=r"\w+",
    figure=r"\w+",
    table=r"\w+",


def call(script, arguments, launcher=""):
    """Return the shell command of a job without a spec. Its log begins with the command.

    The log of a job that fails ends with its exit status: by that, failures.py tells what was killed. SIGTERM to all
    processes of a run is for the job to answer: its shell, whose trap does nothing, waits for what it says.
    """
    told = "(status=$?; printf '\\nexit status %s\\n' $status >> {log:q}; exit $status)"
    program = f"(set -x; {PYTHON} {launcher}{SCRIPTS}/{script} {arguments})"
    return f"trap ' ' TERM; {program} > {{log:q}} 2>&1 || {told}"


def call_with_spec(script, arguments, launcher=""):
    """Return the shell command of a job, as `call` does; its spec goes to a file beside its log."""
    spec = "{log:q}.spec.json"
    command = call(script, f"--spec {spec} {arguments}", launcher)
    return f"printf '%s\\n' {{params.spec:q}} > {spec}; {command}"


def call_training(stage, run, arguments, launcher=""):
    """Return the shell command of a training, as `call_with_spec` does; run: the wildcard that is its name.

    Where its curves are drawn is in no params: whoever asks for them trains nothing again.
    """
    if trackers := config["execution"]["report_to"]:
        folder = f"{RESULTS}/tensorboard/{stage}/{{wildcards.{run}:q}}/seed{{wildcards.seed:q}}"
        arguments = f"{arguments} --report-to {' '.join(trackers)} --curves {folder}"
    return call_with_spec(f"{stage}.py", arguments, launcher)


def digest_drawing(*modules):
    """Return the digest of the code that these modules of the library run to draw something."""
    named = [f"selectimprove.{module}" for module in modules]
    return digest_code(*named, rooms=("measurement", "presentation"))


def grow(amount):
    """Return a resource that grows with the attempts of a job."""
    return lambda wildcards, attempt: amount * attempt


def find_resources(rule_name):
    """Return what a rule that trains or samples asks for in this preset."""
    asked = config["resources"][rule_name]
    gpus = asked["gpu"] * (experiment.execution["processes"] if rule_name in ("sft", "rl") else 1)
    return {"mem_mb": grow(asked["mem_mb"]), "runtime": grow(asked["runtime"]), "gpu": gpus}


def find_checkpoints_folder(run, seed):
    return f"{RESULTS}/{experiment.find_checkpoints_folder(run, seed)}"


def find_data_folder(dataset, seed):
    return f"{RESULTS}/data/{dataset}/seed{seed}"


def list_scores(evaluations, seeds):
    return [f"{RESULTS}/evaluation/{run}/seed{seed}/{suite}.parquet" for run, suite in evaluations for seed in seeds]


def list_base_input(wildcards):
    if base := experiment.find_base(wildcards.sft_run, wildcards.seed):
        return [f"{RESULTS}/{base}"]
    return [experiment.model.source] if Path(experiment.model.source).is_dir() else []


def list_data(dataset, seed, *splits):
    """Return the files of these splits of a data set, and that of its task."""
    folder = find_data_folder(dataset, seed)
    return [*(f"{folder}/{split}.jsonl" for split in splits), f"{folder}/task.json"]


def list_sft_data(wildcards):
    return list_data(experiment.sft_values[wildcards.sft_run]["dataset"], wildcards.seed, "train", "validation")


def find_start_folder(wildcards):
    return find_checkpoints_folder(experiment.rl_values[wildcards.rl_run]["start"], wildcards.seed)


def find_last_checkpoint(folder, run):
    return f"{folder}/step{experiment.list_checkpoint_steps(run)[-1]}"


def find_start_checkpoint(wildcards, input):
    return find_last_checkpoint(input.start, experiment.rl_values[wildcards.rl_run]["start"])


def list_filter_inputs(wildcards):
    """Return what a data set is filtered from, by name."""
    own = experiment.filters[wildcards.dataset]
    return {
        "pass_rates": f"{RESULTS}/pass_rates/{own.candidates}/seed{wildcards.seed}/{own.run}.parquet",
        "candidates": list_data(own.candidates, wildcards.seed, "train", "validation", "test"),
        "checkpoints": find_checkpoints_folder(own.run, wildcards.seed),
    }


def tell_filter_inputs(wildcards, input):
    """Return the words of a command that tell a job what it filters; none where it filters nothing."""
    own = experiment.filters.get(wildcards.dataset)
    if own is None:
        return []
    candidates = find_data_folder(own.candidates, wildcards.seed)
    start = find_last_checkpoint(input.checkpoints, own.run)
    return ["--pass-rates", input.pass_rates, "--candidates", candidates, "--checkpoint", start]


def list_rl_data(wildcards):
    return list_data(experiment.rl_values[wildcards.rl_run]["dataset"], wildcards.seed, "train")


def list_suite_data(wildcards):
    return list_data(experiment.suites[wildcards.suite].dataset, wildcards.seed, "test")


def list_figure_scores(name):
    values = experiment.find_figure(name)
    return list_scores(experiment.list_figure_evaluations(values), experiment.list_figure_seeds(values))


def list_figure_metrics(name):
    values = experiment.find_figure(name)
    sft_runs = [run for run in experiment.list_figure_runs(values) if run in experiment.sft_values]
    seeds = experiment.list_figure_seeds(values)
    return [f"{RESULTS}/sft/{run}/seed{seed}/metrics.csv" for run in sft_runs for seed in seeds]


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


def print_end():
    """Print the verdicts on the claims, and where all is shown, as far as the call asked for them and made them."""
    settings = workflow.dag_settings
    if settings.until or settings.omit_from or settings.batch or not set(settings.targets) <= {"all", "claims"}:
        return
    claims, page = Path(f"{RESULTS}/claims.md"), Path(f"{RESULTS}/report.html")
    if experiment.claims and claims.is_file():
        print_text(claims.read_text(encoding="utf-8"))
    if set(settings.targets) != {"claims"} and page.is_file():
        print_text(f"Figures: {RESULTS}/figures; tables: {RESULTS}/tables; all on one page: {page}")


def check_space():
    """Raise WorkflowError if the disk has too little room for the preset."""
    if shortage := warn_of_space(Path(RESULTS), config["disk_gb"]):
        raise WorkflowError(shortage)


def list_tests():
    return [
        f"{find_data_folder(name, seed)}/test.jsonl"
        for seed in experiment.seeds
        for name in experiment.list_test_datasets(seed)
    ]


def find_drawing_module(section, name):
    """Return the module that draws a figure or table, within the library; section: "figures" or "tables"."""
    return f"presentation.{section}.{experiment.find_figure(name)['module']}"


def read_drawing_caption(section, name):
    return read_caption(find_module(section, experiment.find_figure(name)["module"]))


def show_in_report(file, kind):
    """Return the output marked for Snakemake's own report (--report), under its experiment."""
    return report(
        file,
        caption="../report/caption.rst",
        category=lambda wildcards: experiment.find_figure(wildcards[kind])["experiment"],
        labels={"name": f"{{{kind}}}"},
    )
