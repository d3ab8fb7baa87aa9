# What befalls jobs on a cluster, each once: the second attempt of every job succeeds.


def count_attempts(wildcards, attempt):
    return attempt


rule all:
    input:
        expand("{name}.txt", name=["fails", "is_cancelled", "outgrows_its_memory"]),


rule fails:
    output:
        "fails.txt",
    resources:
        mem_mb=lambda wildcards, attempt: 600 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
        attempt=count_attempts,
    shell:
        "test {resources.attempt} = 2; touch {output}"


rule is_cancelled:
    output:
        "is_cancelled.txt",
    resources:
        mem_mb=600,
        attempt=count_attempts,
    shell:
        "echo $SLURM_JOB_ID > running_job; test {resources.attempt} = 2 || sleep 600; touch {output}"


rule outgrows_its_memory:
    output:
        "outgrows_its_memory.txt",
    resources:
        mem_mb=lambda wildcards, attempt: 600 * attempt,
    shell:
        """
        python -c 'import time; held = b"x" * 700_000_000; time.sleep(4)'
        touch {output}
        """
