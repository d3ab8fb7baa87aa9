# Supervised fine-tuning: F, B and FB differ in their data alone.


rule sft:
    input:
        base=list_base_input,
        data=list_sft_data,
    output:
        checkpoints=directory(f"{RESULTS}/sft/{{sft_run}}/seed{{seed}}/checkpoints"),
        metrics=f"{RESULTS}/sft/{{sft_run}}/seed{{seed}}/metrics.csv",
    log:
        f"{RESULTS}/logs/sft/{{sft_run}}_seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/sft/{{sft_run}}_seed{{seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: experiment.execution["processes"] * experiment.execution["threads"]
    resources:
        **find_resources("sft"),
    params:
        spec=lambda wildcards: specs.dump_spec(experiment.make_sft_spec(wildcards.sft_run, int(wildcards.seed))),
        base=lambda wildcards, input: input.base or experiment.model.source,
        data=lambda wildcards, input: str(Path(input.data[0]).parent),
        resume=f"{RESULTS}/resume/sft/{{sft_run}}/seed{{seed}}",
        told=lambda wildcards, output: messages.describe_sft(experiment, wildcards.sft_run),
    message:
        "SFT: {wildcards.sft_run}, seed {wildcards.seed}: {params.told}"
    shell:
        call_training(
            "sft",
            "sft_run",
            "--base {params.base:q} --data {params.data:q} --checkpoints {output.checkpoints:q} "
            "--metrics {output.metrics:q} --resume {params.resume:q}",
            LAUNCHER,
        )
