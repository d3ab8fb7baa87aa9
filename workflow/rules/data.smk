# Data sets: JSON Lines with everything needed to recompute every answer. One that is filtered has candidates, and a run
# whose pass rates on them are measured once for all data sets that are filtered by them. It has a rule of its own, since
# it waits for a run: jobs of the other rule wait for nothing, and a cluster gets them as a group.

FILTERED = "|".join(experiment.filters) or "(?!)"


rule dataset:
    output:
        train=f"{RESULTS}/data/{{dataset}}/seed{{seed}}/train.jsonl",
        validation=f"{RESULTS}/data/{{dataset}}/seed{{seed}}/validation.jsonl",
        test=f"{RESULTS}/data/{{dataset}}/seed{{seed}}/test.jsonl",
        task=f"{RESULTS}/data/{{dataset}}/seed{{seed}}/task.json",
        record=f"{RESULTS}/data/{{dataset}}/seed{{seed}}/provenance.json",
    log:
        f"{RESULTS}/logs/dataset/{{dataset}}_seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/dataset/{{dataset}}_seed{{seed}}.tsv"
    wildcard_constraints:
        dataset=rf"(?!(?:{FILTERED})/)\w+",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=grow(500),
        runtime=grow(10),
    params:
        spec=lambda wildcards: specs.dump_spec(experiment.make_data_spec(wildcards.dataset, int(wildcards.seed))),
        folder=lambda wildcards, output: str(Path(output.train).parent),
        filter=tell_filter_inputs,
        told=lambda wildcards, output: messages.describe_dataset(experiment, wildcards.dataset),
    message:
        "Data: {wildcards.dataset}, seed {wildcards.seed}: {params.told}"
    shell:
        call_with_spec("dataset.py", "--folder {params.folder:q} {params.filter:q}")


use rule dataset as filtered_dataset with:
    input:
        unpack(list_filter_inputs),
    log:
        f"{RESULTS}/logs/filtered_dataset/{{dataset}}_seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/filtered_dataset/{{dataset}}_seed{{seed}}.tsv"
    wildcard_constraints:
        dataset=FILTERED,


rule pass_rates:
    input:
        checkpoints=lambda wildcards: find_checkpoints_folder(wildcards.run, wildcards.seed),
        data=lambda wildcards: list_data(wildcards.dataset, wildcards.seed, "train"),
    output:
        f"{RESULTS}/pass_rates/{{dataset}}/seed{{seed}}/{{run}}.parquet",
    log:
        f"{RESULTS}/logs/pass_rates/{{dataset}}_seed{{seed}}_{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pass_rates/{{dataset}}_seed{{seed}}_{{run}}.tsv"
    conda:
        ENVIRONMENT
    threads: experiment.execution["threads"]
    resources:
        **find_resources("evaluate"),
    params:
        spec=lambda wildcards: specs.dump_spec(
            experiment.make_pass_rate_spec(wildcards.run, wildcards.dataset, int(wildcards.seed))
        ),
        checkpoint=lambda wildcards, input: find_last_checkpoint(input.checkpoints, wildcards.run),
        told=lambda wildcards, output: messages.describe_pass_rates(experiment, wildcards.run, wildcards.dataset),
    message:
        "Pass rates: {wildcards.run} on {wildcards.dataset}, seed {wildcards.seed}: {params.told}"
    shell:
        call_with_spec(
            "pass_rates.py", "--checkpoint {params.checkpoint:q} --train {input.data[0]:q} --output {output:q}"
        )
