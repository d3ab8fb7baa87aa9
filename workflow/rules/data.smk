# Data sets: JSON Lines with everything needed to recompute every answer.


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
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=grow(500),
        runtime=grow(10),
    params:
        spec=lambda wildcards: specs.dump_spec(experiment.make_data_spec(wildcards.dataset, int(wildcards.seed))),
        folder=lambda wildcards, output: str(Path(output.train).parent),
        told=lambda wildcards, output: messages.describe_dataset(experiment, wildcards.dataset),
    message:
        "Data: {wildcards.dataset}, seed {wildcards.seed}: {params.told}"
    shell:
        call_with_spec("dataset.py", "--folder {params.folder:q}")
