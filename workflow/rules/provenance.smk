# Whether all that was made is still what it was, and an export of where it came from.


rule verify:  # has no inputs: it looks at what is there, and makes nothing again
    log:
        f"{RESULTS}/logs/verify.txt",
    localrule: True
    run:
        from selectimprove.provenance.tracing import verify  # here, since it imports pandas

        verify(experiment, RESULTS, log[0])


rule crate:
    input:
        list_results(),
    output:
        metadata=f"{RESULTS}/ro-crate-metadata.json",
        workflow=directory(f"{RESULTS}/workflow"),
    log:
        f"{RESULTS}/logs/crate.log",
    benchmark:
        f"{RESULTS}/benchmarks/crate.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        results=lambda wildcards, output: str(Path(output.metadata).parent),
        spec=lambda wildcards: json.dumps(config),
        code=lambda wildcards: digest_code("selectimprove.provenance.crate", rooms=("provenance",)),
    message:
        "Crate: {output.metadata}"
    shell:
        call_with_spec("crate.py", "--artifacts {input:q} --results {params.results:q}")
