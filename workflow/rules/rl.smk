# GRPO from the last checkpoint of an SFT run, or of another RL run.


rule rl:
    input:
        start=find_start_folder,
        data=list_rl_data,
    output:
        checkpoints=directory(f"{RESULTS}/rl/{{rl_run}}/seed{{seed}}/checkpoints"),
        metrics=f"{RESULTS}/rl/{{rl_run}}/seed{{seed}}/metrics.csv",
    log:
        f"{RESULTS}/logs/rl/{{rl_run}}_seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/rl/{{rl_run}}_seed{{seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: experiment.execution["processes"] * experiment.execution["threads"]
    resources:
        **find_resources("rl"),
    params:
        spec=lambda wildcards: specs.dump_spec(experiment.make_rl_spec(wildcards.rl_run, int(wildcards.seed))),
        start=find_start_checkpoint,
        resume=f"{RESULTS}/resume/rl/{{rl_run}}/seed{{seed}}",
        told=lambda wildcards, output: messages.describe_rl(experiment, wildcards.rl_run),
    message:
        "RL: {wildcards.rl_run}, seed {wildcards.seed}: {params.told}"
    shell:
        call_training(
            "rl",
            "rl_run",
            "--start {params.start:q} --train {input.data[0]:q} --checkpoints {output.checkpoints:q} "
            "--metrics {output.metrics:q} --resume {params.resume:q}",
            LAUNCHER,
        )
