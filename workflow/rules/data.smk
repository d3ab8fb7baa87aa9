# Data sets: JSON Lines with everything needed to recompute every answer.


rule dataset:
    input:
        script=f"{SCRIPTS}/dataset.py",
    output:
        train=f"{RESULTS}/data/{{dataset}}/seed{{seed}}/train.jsonl",
        validation=f"{RESULTS}/data/{{dataset}}/seed{{seed}}/validation.jsonl",
        test=f"{RESULTS}/data/{{dataset}}/seed{{seed}}/test.jsonl",
        field=f"{RESULTS}/data/{{dataset}}/seed{{seed}}/field.json",
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
    shell:
        "python {input.script} --spec {params.spec:q} --folder {params.folder:q} > {log:q} 2>&1"
