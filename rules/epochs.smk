rule epochs:
    input:
        # A file that is missing is for the database's reader to name, not for the workflow.
        lambda wildcards: available(wildcards.database, wildcards.recording),
    output:
        "data/epochs/{database}/{recording}.h5",
    log:
        "logs/epochs/{database}/{recording}.log",
    benchmark:
        "logs/benchmarks/epochs/{database}/{recording}.tsv"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        source=source_params,
        channels=lambda wildcards: WORKFLOW.sources[wildcards.database].stored_channels,
    message:
        "{wildcards.database}: epochs of {wildcards.recording}"
    script:
        "../workflow_scripts/epochs.py"
