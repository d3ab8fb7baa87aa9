# Completions of held-out problems, judged: one table a run and suite that a figure takes, and all of them in one.


rule evaluate:
    input:
        checkpoints=lambda wildcards: find_checkpoints_folder(wildcards.run, wildcards.seed),
        data=list_suite_data,
    output:
        f"{RESULTS}/evaluation/{{run}}/seed{{seed}}/{{suite}}.parquet",
    log:
        f"{RESULTS}/logs/evaluate/{{run}}_seed{{seed}}_{{suite}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{run}}_seed{{seed}}_{{suite}}.tsv"
    conda:
        ENVIRONMENT
    threads: experiment.execution["threads"]
    resources:
        **find_resources("evaluate"),
    params:
        spec=lambda wildcards: specs.dump_spec(
            experiment.make_evaluation_spec(wildcards.run, wildcards.suite, int(wildcards.seed))
        ),
        script=f"{SCRIPTS}/evaluate.py",
    shell:
        "python {params.script} --spec {params.spec:q} --checkpoints {input.checkpoints:q} "
        "--test {input.data[0]:q} --output {output:q} --threads {threads} > {log:q} 2>&1"


rule scores:
    input:
        script=f"{SCRIPTS}/scores.py",
        tables=list_scores(experiment.list_evaluations()),
    output:
        f"{RESULTS}/scores.parquet",
    log:
        f"{RESULTS}/logs/scores.log",
    benchmark:
        f"{RESULTS}/benchmarks/scores.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(10),
    shell:
        "python {input.script} --tables {input.tables:q} --output {output:q} > {log:q} 2>&1"
