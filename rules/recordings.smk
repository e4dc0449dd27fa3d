# A checkpoint, as the files are no output: Snakemake deletes the outputs of a job that fails, and here
# what has been fetched and what people have put there stays.
checkpoint fetch:
    output:
        FETCHED,
    log:
        "logs/recordings/{database}.log",
    # The machines of a cluster often have no network.
    localrule: True
    conda:
        "../environment.yml"
    params:
        source=lambda wildcards: WORKFLOW.sources[
            wildcards.database
        ].source.model_dump(mode="json"),
    message:
        "{wildcards.database}: files that are missing are fetched"
    script:
        "../workflow_scripts/fetch.py"


# A simulated cohort's folder has its name.
rule simulate:
    output:
        psg="data/recordings/{database}/{night}0-PSG.edf",
        hypnogram="data/recordings/{database}/{night}C-Hypnogram.edf",
    log:
        "logs/recordings/{database}/{night}.log",
    benchmark:
        "logs/benchmarks/recordings/{database}/{night}.tsv"
    wildcard_constraints:
        # Without a cohort nothing; an empty expression would be any name.
        database="|".join(SIMULATED) or "(?!)",
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        cohort=lambda wildcards: WORKFLOW.sources[
            wildcards.database
        ].source.cohort.model_dump(),
    message:
        "{wildcards.database}: night {wildcards.night}"
    script:
        "../workflow_scripts/simulate.py"
