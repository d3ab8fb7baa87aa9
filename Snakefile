# Table of contents: the experiment is in config.yaml, the stages are in workflow/rules, what they run in workflow/src.
#
#   snakemake --cores all                                                   everything, tiny preset
#   snakemake --cores all --configfile workflow/presets/smoke.yaml          every rule in ten minutes
#   snakemake --cores all results/tiny/figures/figure2.pdf                  one figure and what it needs
#   snakemake --cores all data                                              the data sets alone
#   snakemake --cores 1 verify                                              is everything still as it was made?
#   snakemake --cores all crate                                             all of it described as an RO-Crate
from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")
if str(workflow.current_basedir) != str(workflow.basedir):
    raise WorkflowError("this workflow cannot be part of another one: call its Snakefile itself, with --snakefile")


configfile: f"{workflow.basedir}/config.yaml"


include: "workflow/rules/common.smk"


container: config["container"]


include: "workflow/rules/data.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/convert.smk"
include: "workflow/rules/sft.smk"
include: "workflow/rules/rl.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/provenance.smk"


rule all:
    default_target: True
    input:
        list_results(),
    message:
        "Everything of the preset {experiment.preset} is made"


for experiment_name, drawn in experiment.list_experiments().items():

    rule:
        name:
            experiment_name
        input:
            list_drawn(**drawn),
        message:
            "Everything of the experiment {rule} is made"


rule data:
    input:
        expand(
            f"{RESULTS}/data/{{dataset}}/seed{{seed}}/task.json",
            dataset=experiment.datasets,
            seed=experiment.seeds,
        ),
    message:
        "All data sets are made"


rule list_runs:
    log:
        f"{RESULTS}/logs/list_runs.txt",
    localrule: True
    run:
        from selectimprove.commands.runs import print_runs  # here, since it imports pandas

        print_runs(experiment, RESULTS, log[0])


onstart:
    check_space()
    mark_folder(Path(RESULTS))


onsuccess:
    print_end()


onerror:
    print_failures(log[0], RESULTS)
