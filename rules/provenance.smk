rule provenance:
    input:
        "results/ro-crate-metadata.json",
    message:
        "Provenance"


rule checklists:
    input:
        runs=[f"{folder}/run.json" for folder in STUDY.table2.run_folders],
        table1="results/table1.csv",
        recordings="results/recordings.csv",
        folds=STUDY.databases.each(paths.FOLDS),
        indexes=STUDY.indexes,
    output:
        **{
            name: reported(
                f"results/checklists/{name}.md", name, "Checklists", checklist=title
            )
            for name, title in [
                ("ml_reproducibility", "ML reproducibility"),
                ("reforms", "REFORMS"),
            ]
        },
    log:
        "logs/checklists.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        workflow=STUDY.databases.available.model_dump(mode="json"),
    message:
        "Checklists"
    script:
        "../workflow_scripts/checklists.py"


rule ro_crate:
    input:
        results=[
            *rules.all.input,
            *rules.checklists.output,
            *STUDY.databases.each(paths.FOLDS),
            *STUDY.databases.each(paths.RECORDINGS),
        ],
        runs=[f"{folder}/run.json" for folder in STUDY.table2.run_folders],
        models=[
            *STUDY.table2.pretrained_networks,
            *[f"{folder}/history.csv" for folder in STUDY.table2.run_folders],
            *[
                f"{folder}/{file}"
                for folder in STUDY.table2.trained_folders
                for file in ("model.safetensors", "predictions.h5", "scoring.json")
            ],
            *[
                f"{folder}/{file}"
                for folder in STUDY.table2.imported_folders
                for file in ("predictions.h5", "import.json")
            ],
        ],
        indexes=list(STUDY.table2.read_indexes.values()),
    output:
        crate="results/ro-crate-metadata.json",
        code=directory("results/workflow"),
    log:
        "logs/ro_crate.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        sources={
            d: STUDY.settings.source(d, fetched=True)
            for d in STUDY.table2.read_indexes
        },
    message:
        "Workflow Run RO-Crate"
    script:
        "../workflow_scripts/ro_crate.py"
