from snakemake.common import __version__ as snakemake_version

# What `all` makes, and the runs of Table 2, as people have to tell of them.
INDEXES = [
    INDEX.format(store=STORES[preset(database).network.raw_filter], database=database)
    for database in WORKFLOW.databases
]
FOLDS = expand("results/{database}/folds.csv", database=WORKFLOW.databases)


rule provenance:
    input:
        "results/ro-crate-metadata.json",


rule checklists:
    input:
        runs=[f"{folder}/run.json" for folder in TABLE2_FOLDERS],
        table1="results/table1.csv",
        recordings="results/recordings.csv",
        folds=FOLDS,
        indexes=INDEXES,
    output:
        **{
            name: report(
                f"results/checklists/{name}.md",
                caption=f"../captions/{name}.rst",
                category="Checklists",
                labels={"checklist": title},
            )
            for name, title in {
                "ml_reproducibility": "ML reproducibility",
                "reforms": "REFORMS",
            }.items()
        },
    log:
        "logs/checklists.log",
    conda:
        "../environment.yml"
    params:
        workflow=WORKFLOW.model_dump(mode="json"),
    message:
        "Checklists"
    script:
        "../workflow_scripts/checklists.py"


rule ro_crate:
    input:
        results=[
            *rules.all.input,
            *rules.checklists.output,
            *FOLDS,
            *expand("results/{database}/recordings.csv", database=WORKFLOW.databases),
        ],
        runs=[f"{folder}/run.json" for folder in TABLE2_FOLDERS],
        models=[
            f"{folder}/{file}"
            for folder in TABLE2_FOLDERS
            for file in ("model.safetensors", "history.csv", "predictions.h5")
        ],
        indexes=INDEXES,
    output:
        crate="results/ro-crate-metadata.json",
        code=directory("results/workflow"),
    log:
        "logs/ro_crate.log",
    conda:
        "../environment.yml"
    params:
        sources={
            database: settings.source.model_dump(mode="json")
            for database, settings in WORKFLOW.databases.items()
        },
        snakemake=snakemake_version,
    message:
        "Workflow Run RO-Crate"
    script:
        "../workflow_scripts/ro_crate.py"
