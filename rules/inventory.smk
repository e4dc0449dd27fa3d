rule recordings:
    input:
        index,
    output:
        "results/{database}/recordings.csv",
    log:
        "logs/inventory/{database}.log",
    conda:
        "../environment.yml"
    params:
        source=source_params,
        windows=lambda wildcards: WORKFLOW.sources[wildcards.database].windows,
    message:
        "{wildcards.database}: every recording"
    script:
        "../workflow_scripts/recordings.py"


rule all_recordings:
    input:
        RECORDINGS,
    output:
        report(
            "results/recordings.csv",
            caption="../captions/recordings.rst",
            category="Tables",
            labels={"table": "Recordings", "format": "CSV"},
        ),
    log:
        "logs/inventory.log",
    conda:
        "../environment.yml"
    message:
        "Every recording of all databases"
    script:
        "../workflow_scripts/all_recordings.py"


rule table1:
    input:
        recordings=RECORDINGS,
        indexes=INDEXES,
    output:
        report(
            "results/table1.csv",
            caption="../captions/table1.rst",
            category="Tables",
            labels={"table": "Table 1", "format": "CSV"},
        ),
    log:
        "logs/table1.log",
    conda:
        "../environment.yml"
    params:
        databases={
            database: settings.model_dump(mode="json", include={"windows", "folds"})
            | {"scoring": open_database(settings.source).scoring}
            for database, settings in WORKFLOW.databases.items()
        },
    message:
        "Table 1"
    script:
        "../workflow_scripts/table1.py"


rule footprint:
    output:
        report(
            "results/footprint.csv",
            caption="../captions/footprint.rst",
            category="Tables",
            labels={"table": "Footprint", "format": "CSV"},
        ),
    log:
        "logs/footprint.log",
    conda:
        "../environment.yml"
    params:
        networks={
            name: settings.network.model_dump(mode="json")
            for name, settings in WORKFLOW.presets.items()
        },
    message:
        "Footprint of the networks"
    script:
        "../workflow_scripts/footprint.py"
