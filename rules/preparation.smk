# The files of single recordings are in no rule: what is declared is what is known of them.
rule prepare:
    input:
        made,
    output:
        BATCH_INDEX,
    log:
        "logs/preparation/{store}/{database}/{batch}.log",
    benchmark:
        "logs/benchmarks/preparation/{store}/{database}/{batch}.tsv"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        # Minutes: a recording of 24 hours takes seconds.
        runtime=lambda wildcards, attempt: attempt * (10 + len(batch(wildcards))),
    params:
        version=FORMAT_VERSION,
        source=source_params,
        channels=lambda wildcards: WORKFLOW.sources[wildcards.database].stored_channels,
        filtering=lambda wildcards: FILTERINGS[wildcards.store],
        recordings=batch,
        content=lambda wildcards: content(**wildcards),
        seen=SEEN,
        epochs=EPOCHS,
        spectrograms=SPECTROGRAMS,
    message:
        "{wildcards.store}, {wildcards.database}: "
        "epochs and spectrograms from {wildcards.batch} on"
    script:
        "../workflow_scripts/prepare.py"


rule index:
    input:
        lambda wildcards: expand(
            BATCH_INDEX, **wildcards, batch=batches(wildcards.database)
        ),
    output:
        INDEX,
    log:
        "logs/index/{store}/{database}.log",
    conda:
        "../environment.yml"
    message:
        "{wildcards.store}, {wildcards.database}: index"
    script:
        "../workflow_scripts/index.py"
