# One HTML page with everything that was found; it opens offline.


TEMPLATE = CHECKOUT / "workflow" / "report" / "report.html.j2"


rule report:
    input:
        figures=expand(f"{RESULTS}/figures/{{name}}.png", name=experiment.figures),
        tables=expand(f"{RESULTS}/tables/{{name}}.md", name=experiment.tables),
        sidecars=list_sidecars(experiment.figures, experiment.tables),
        claims=[f"{RESULTS}/claims.csv"] if experiment.claims else [],
        scores=f"{RESULTS}/scores.parquet",
        tests=list_tests(),
    output:
        page=f"{RESULTS}/report.html",
        sidecar=f"{RESULTS}/report.json",
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(10),
    params:
        spec=lambda wildcards: specs.dump_spec(experiment.make_report_spec()),
        code=lambda wildcards: digest_drawing("presentation.report"),
        template=lambda wildcards, output: TEMPLATE,
        template_text=lambda wildcards: TEMPLATE.read_text(encoding="utf-8"),
    message:
        "Report: {output.page}"
    shell:
        call_with_spec(
            "report.py",
            "--figures {input.figures:q} --tables {input.tables:q} --claims {input.claims:q} --scores {input.scores:q} "
            "--tests {input.tests:q} --template {params.template:q} --output {output.page:q}",
        )
