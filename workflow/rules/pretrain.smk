# The tiny base model (model.source: scratch).


rule pretrain:
    output:
        checkpoint=directory(f"{RESULTS}/pretrain/seed{{seed}}/checkpoint"),
        metrics=f"{RESULTS}/pretrain/seed{{seed}}/metrics.csv",
    log:
        f"{RESULTS}/logs/pretrain/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pretrain/seed{{seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: experiment.pretrain_values["threads"]
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        spec=lambda wildcards: specs.dump_spec(experiment.make_pretrain_spec(int(wildcards.seed))),
        resume=f"{RESULTS}/resume/pretrain/seed{{seed}}",
        script=f"{SCRIPTS}/pretrain.py",
    shell:
        "python {params.script} --spec {params.spec:q} --checkpoint {output.checkpoint:q} "
        "--metrics {output.metrics:q} --resume {params.resume:q} --threads {threads} > {log} 2>&1"
