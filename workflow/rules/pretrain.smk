# The tiny base model of each task (model.source: scratch).


rule pretrain:
    output:
        checkpoint=directory(f"{RESULTS}/pretrain/{{task}}/seed{{seed}}/checkpoint"),
        metrics=f"{RESULTS}/pretrain/{{task}}/seed{{seed}}/metrics.csv",
    log:
        f"{RESULTS}/logs/pretrain/{{task}}_seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pretrain/{{task}}_seed{{seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: lambda wildcards: experiment.pretrain_values[wildcards.task]["threads"]
    resources:
        **find_resources("pretrain"),
    params:
        spec=lambda wildcards: specs.dump_spec(experiment.make_pretrain_spec(wildcards.task, int(wildcards.seed))),
        resume=f"{RESULTS}/resume/pretrain/{{task}}/seed{{seed}}",
        told=lambda wildcards, output: messages.describe_pretraining(experiment, wildcards.task),
    message:
        "Pretraining: {wildcards.task}, seed {wildcards.seed}: {params.told}"
    shell:
        call_training(
            "pretrain",
            "task",
            "--checkpoint {output.checkpoint:q} --metrics {output.metrics:q} --resume {params.resume:q}",
        )
