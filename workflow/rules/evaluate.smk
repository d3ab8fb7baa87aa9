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
        told=lambda wildcards, output: messages.describe_evaluation(experiment, wildcards.run, wildcards.suite),
    message:
        "Evaluation: {wildcards.run}, seed {wildcards.seed}: {params.told}"
    shell:
        call_with_spec(
            "evaluate.py", "--checkpoints {input.checkpoints:q} --test {input.data[0]:q} --output {output:q}"
        )


rule scores:
    input:
        [table for seed in experiment.seeds for table in list_scores(experiment.list_evaluations(seed), [seed])],
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
    params:
        code=lambda wildcards: digest_drawing("measurement.scores"),
    message:
        "Scores: all evaluations in one table"
    shell:
        call("scores.py", "--tables {input:q} --output {output:q}")
