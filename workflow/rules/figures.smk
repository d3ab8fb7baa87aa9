# Figures, tables and claims. The digest of the code that draws each is among its params: an edit redraws what it changes.


rule figure:
    input:
        scores=lambda wildcards: list_figure_scores(wildcards.figure),
        metrics=lambda wildcards: list_figure_metrics(wildcards.figure),
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
        code=lambda wildcards: digest_drawing(
            "presentation.rendering", find_drawing_module("figures", wildcards.figure)
        ),
        caption=lambda wildcards, output: read_drawing_caption("figures", wildcards.figure),
    message:
        "Figure: {wildcards.figure}"
    shell:
        call_with_spec(
            "draw.py figure",
            "--scores {input.scores:q} --metrics {input.metrics:q} --outputs {output.pdf:q} {output.png:q} "
            "--sidecar {output.sidecar:q}",
        )


rule table:
    input:
        scores=lambda wildcards: list_figure_scores(wildcards.table),
        metrics=lambda wildcards: list_figure_metrics(wildcards.table),
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
        code=lambda wildcards: digest_drawing("presentation.rendering", find_drawing_module("tables", wildcards.table)),
        caption=lambda wildcards, output: read_drawing_caption("tables", wildcards.table),
    message:
        "Table: {wildcards.table}"
    shell:
        call_with_spec(
            "draw.py table",
            "--scores {input.scores:q} --metrics {input.metrics:q} --outputs {output.markdown:q} {output.csv:q} "
            "--sidecar {output.sidecar:q}",
        )


rule claims:
    input:
        list_scores(experiment.list_claim_evaluations(), experiment.seeds),
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
        spec=lambda wildcards: specs.dump_spec(experiment.make_claims_spec()),
        code=lambda wildcards: digest_drawing("measurement.claims"),
    message:
        "Claims: those of {config[claims]}"
    shell:
        call_with_spec(
            "claims.py",
            "--scores {input:q} --markdown {output.markdown:q} --csv {output.csv:q} --sidecar {output.sidecar:q}",
        )
