rule provenance:
    input:
        "results/ro-crate-metadata.json",
    message:
        "Provenance"


rule checklists:
    input:
        runs=[f"{folder}/run.json" for folder in STUDY.run_folders],
        table1="results/table1.csv",
        recordings="results/recordings.csv",
        folds=STUDY.each(paths.FOLDS),
        indexes=STUDY.indexes,
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
    localrule: True
    conda:
        "../environment.yml"
    params:
        workflow=STUDY.available.model_dump(mode="json"),
    message:
        "Checklists"
    script:
        "../workflow_scripts/checklists.py"


rule ro_crate:
    input:
        results=[
            *rules.all.input,
            *rules.checklists.output,
            *STUDY.each(paths.FOLDS),
            *STUDY.each(paths.RECORDINGS),
        ],
        runs=[f"{folder}/run.json" for folder in STUDY.run_folders],
        models=[
            *STUDY.pretrained_networks,
            *[f"{folder}/history.csv" for folder in STUDY.run_folders],
            *[
                f"{folder}/{file}"
                for folder in STUDY.table2_folders
                for file in ("model.safetensors", "predictions.h5", "scoring.json")
            ],
        ],
        indexes=list(STUDY.read_indexes.values()),
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
            database: STUDY.source_settings(database, fetched=True)
            for database in STUDY.read_indexes
        },
    message:
        "Workflow Run RO-Crate"
    script:
        "../workflow_scripts/ro_crate.py"
