# Figures and tables. The module that draws is an input, so that an edit redraws its figure and no other.

SHARED_MODULES = [
    f"{MODULES}/presentation/rendering.py",
    *(f"{MODULES}/measurement/{name}.py" for name in ("scores", "analysis", "decomposition")),
]


rule figure:
    input:
        scores=lambda wildcards: list_figure_scores(wildcards.figure),
        metrics=lambda wildcards: list_figure_metrics(wildcards.figure),
        script=f"{SCRIPTS}/figure.py",
        module=lambda wildcards: f"{MODULES}/presentation/figures/{experiment.find_figure(wildcards.figure)['module']}.py",
        shared=[*SHARED_MODULES, f"{MODULES}/presentation/figures/_style.py"],
    output:
        pdf=f"{RESULTS}/figures/{{figure}}.pdf",
        png=show_in_report(f"{RESULTS}/figures/{{figure}}.png", "figure"),
        sidecar=f"{RESULTS}/figures/{{figure}}.json",
    log:
        f"{RESULTS}/logs/figure/{{figure}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure/{{figure}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(10),
    params:
        spec=lambda wildcards: specs.dump_spec(experiment.make_figure_spec(wildcards.figure)),
        caption=lambda wildcards, input: read_caption(input.module),
    shell:
        "python {input.script} --spec {params.spec:q} --scores {input.scores:q} --metrics {input.metrics:q} "
        "--pdf {output.pdf:q} --png {output.png:q} --sidecar {output.sidecar:q} > {log:q} 2>&1"


rule table:
    input:
        scores=lambda wildcards: list_figure_scores(wildcards.table),
        metrics=lambda wildcards: list_figure_metrics(wildcards.table),
        script=f"{SCRIPTS}/table.py",
        module=lambda wildcards: f"{MODULES}/presentation/tables/{experiment.find_figure(wildcards.table)['module']}.py",
        shared=[*SHARED_MODULES, f"{MODULES}/presentation/tables/_accuracy.py"],
    output:
        markdown=f"{RESULTS}/tables/{{table}}.md",
        csv=show_in_report(f"{RESULTS}/tables/{{table}}.csv", "table"),
        sidecar=f"{RESULTS}/tables/{{table}}.json",
    log:
        f"{RESULTS}/logs/table/{{table}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/table/{{table}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(10),
    params:
        spec=lambda wildcards: specs.dump_spec(experiment.make_figure_spec(wildcards.table)),
        caption=lambda wildcards, input: read_caption(input.module),
    shell:
        "python {input.script} --spec {params.spec:q} --scores {input.scores:q} --metrics {input.metrics:q} "
        "--markdown {output.markdown:q} --csv {output.csv:q} --sidecar {output.sidecar:q} > {log:q} 2>&1"


rule claims:
    input:
        scores=list_scores(experiment.list_claim_evaluations()),
        script=f"{SCRIPTS}/claims.py",
        module=f"{MODULES}/measurement/claims.py",
        shared=SHARED_MODULES,
    output:
        markdown=f"{RESULTS}/claims.md",
        csv=f"{RESULTS}/claims.csv",
        sidecar=f"{RESULTS}/claims.json",
    log:
        f"{RESULTS}/logs/claims.log",
    benchmark:
        f"{RESULTS}/benchmarks/claims.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        spec=specs.dump_spec(experiment.make_claims_spec()),
    shell:
        "python {input.script} --spec {params.spec:q} --scores {input.scores:q} "
        "--markdown {output.markdown:q} --csv {output.csv:q} --sidecar {output.sidecar:q} > {log:q} 2>&1"
