# A checkpoint, as the files are no output: Snakemake deletes the outputs of a job that fails, and
# files that were fetched, or put there by the user, must stay.
checkpoint fetch:
    output:
        paths.FETCHED,
    log:
        "logs/recordings/{database}-{attempt}.log",
    # The machines of a cluster often have no network.
    localrule: True
    conda:
        "../environment.yml"
    params:
        source=lambda wildcards: STUDY.settings.source(wildcards.database, fetched=True),
    message:
        "{wildcards.database}: fetch missing files"
    script:
        "../workflow_scripts/fetch.py"


# The folder of a simulated cohort has its name.
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
        database="|".join(
            name for name, f in STUDY.databases.files.items() if f.database.simulated
        )
        or "(?!)",
    conda:
        "../environment.yml"
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        cohort=lambda wildcards: STUDY.settings.source(wildcards.database)["cohort"],
    message:
        "{wildcards.database}: simulate {wildcards.night}"
    script:
        "../workflow_scripts/simulate.py"


# The files of single recordings are in no rule: the declared output is the index of a batch.
rule prepare:
    input:
        lambda wildcards: fetched(wildcards.database).simulated(wildcards.batch),
    output:
        paths.BATCH_INDEX,
    log:
        "logs/preparation/{store}/{database}/{batch}.log",
    benchmark:
        "logs/benchmarks/preparation/{store}/{database}/{batch}.tsv"
    conda:
        "../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        # Minutes: a recording of 24 hours takes seconds.
        runtime=lambda wildcards, attempt: attempt
        * (
            10
            + len(STUDY.databases.files[wildcards.database].batches[wildcards.batch])
        ),
    params:
        version=FORMAT_VERSION,
        source=lambda wildcards: STUDY.settings.source(wildcards.database),
        channels=lambda wildcards: STUDY.workflow.sources[
            wildcards.database
        ].stored_channels,
        filtering=lambda wildcards: STUDY.settings.filterings[wildcards.store],
        recordings=lambda wildcards: STUDY.databases.files[wildcards.database].batches[
            wildcards.batch
        ],
        content=lambda wildcards: STUDY.databases.files[wildcards.database].content(
            wildcards.store, wildcards.batch
        ),
        seen=paths.SEEN,
        epochs=paths.EPOCHS,
        spectrograms=paths.SPECTROGRAMS,
    message:
        "{wildcards.store}, {wildcards.database}: recordings from {wildcards.batch} on"
    script:
        "../workflow_scripts/prepare.py"


rule index:
    input:
        lambda wildcards: expand(
            paths.BATCH_INDEX, **wildcards, batch=listed(wildcards.database).batches
        ),
    output:
        paths.INDEX,
    log:
        "logs/index/{store}/{database}.log",
    localrule: True
    conda:
        "../environment.yml"
    message:
        "{wildcards.store}, {wildcards.database}: index"
    script:
        "../workflow_scripts/index.py"


rule recordings:
    input:
        STUDY.settings.index_of,
    output:
        paths.RECORDINGS,
    log:
        "logs/inventory/{database}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        source=lambda wildcards: STUDY.settings.source(wildcards.database),
        windows=lambda wildcards: STUDY.workflow.sources[wildcards.database].windows,
    message:
        "{wildcards.database}: every recording"
    script:
        "../workflow_scripts/recordings.py"


rule all_recordings:
    input:
        STUDY.databases.each(paths.RECORDINGS),
    output:
        reported(
            "results/recordings.csv",
            "recordings",
            "Tables",
            table="Recordings",
            format="CSV",
        ),
    log:
        "logs/inventory.log",
    localrule: True
    conda:
        "../environment.yml"
    message:
        "Every recording of all databases"
    script:
        "../workflow_scripts/all_recordings.py"


rule folds:
    input:
        paths.RECORDINGS,
    output:
        paths.FOLDS,
    log:
        "logs/folds/{database}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        folds=lambda wildcards: STUDY.workflow.sources[
            wildcards.database
        ].model_dump()["folds"],
    message:
        "{wildcards.database}: folds"
    script:
        "../workflow_scripts/folds.py"
