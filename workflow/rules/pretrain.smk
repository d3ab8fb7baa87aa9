# The tiny base model of each field (model.source: scratch).


rule pretrain:
    output:
        checkpoint=directory(f"{RESULTS}/pretrain/{{field}}/seed{{seed}}/checkpoint"),
        metrics=f"{RESULTS}/pretrain/{{field}}/seed{{seed}}/metrics.csv",
    log:
        f"{RESULTS}/logs/pretrain/{{field}}_seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pretrain/{{field}}_seed{{seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: lambda wildcards: experiment.pretrain_values[wildcards.field]["threads"]
    resources:
        **find_resources("pretrain"),
    params:
        spec=lambda wildcards: specs.dump_spec(experiment.make_pretrain_spec(wildcards.field, int(wildcards.seed))),
        resume=f"{RESULTS}/resume/pretrain/{{field}}/seed{{seed}}",
        told=lambda wildcards, output: messages.describe_pretraining(experiment, wildcards.field),
    message:
        "Pretraining: {wildcards.field}, seed {wildcards.seed}: {params.told}"
    shell:
        call_training(
            "pretrain",
            "field",
            "--checkpoint {output.checkpoint:q} --metrics {output.metrics:q} --resume {params.resume:q}",
        )
