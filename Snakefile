# Table of contents: the experiment is in config.yaml, the stages are in workflow/rules, what they run in workflow/src.
#
#   snakemake --cores all                                                   everything, tiny preset
#   snakemake --cores all --configfile workflow/presets/smoke.yaml          every rule in ten minutes
#   snakemake --cores all results/tiny/figures/figure2.pdf                  one figure and what it needs
#   snakemake --cores all data                                              the data sets alone
#   snakemake --cores 1 verify                                              is everything still as it was made?
#   snakemake --cores all crate                                             all of it described as an RO-Crate
from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


include: "workflow/rules/common.smk"
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


for experiment_name, drawn in experiment.list_experiments().items():

    rule:
        name:
            experiment_name
        input:
            list_drawn(**drawn),


rule data:
    input:
        expand(
            f"{RESULTS}/data/{{dataset}}/seed{{seed}}/field.json",
            dataset=experiment.datasets,
            seed=experiment.seeds,
        ),


rule list_runs:
    log:
        f"{RESULTS}/logs/list_runs.txt",
    localrule: True
    run:
        from selectimprove.commands.runs import print_runs  # here, since it imports pandas

        print_runs(experiment, RESULTS, log[0])


onsuccess:
    if experiment.claims and set(workflow.dag_settings.targets) <= {"all", "claims"}:
        print(Path(f"{RESULTS}/claims.md").read_text())


onerror:
    print_failures(log[0], RESULTS)
