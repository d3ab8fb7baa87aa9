# One HTML page with everything that was found; it opens offline.


rule report:
    input:
        figures=expand(f"{RESULTS}/figures/{{name}}.png", name=experiment.figures),
        tables=expand(f"{RESULTS}/tables/{{name}}.md", name=experiment.tables),
        sidecars=list_sidecars(experiment.figures, experiment.tables),
        claims=[f"{RESULTS}/claims.csv"] if experiment.claims else [],
        scores=f"{RESULTS}/scores.parquet",
        tests=list_tests(),
        script=f"{SCRIPTS}/report.py",
        template=f"{WORKFLOW}/report/report.html.j2",
        shared=[f"{MODULES}/presentation/{name}.py" for name in ("report", "marking")],
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
        spec=specs.dump_spec(experiment.make_report_spec()),
    shell:
        "python {input.script} --spec {params.spec:q} --figures {input.figures:q} --tables {input.tables:q} "
        "--claims {input.claims:q} --scores {input.scores:q} --tests {input.tests:q} "
        "--template {input.template:q} --output {output.page:q} > {log:q} 2>&1"
