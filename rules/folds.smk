rule folds:
    input:
        index,
    output:
        folds="results/{database}/folds.csv",
        recordings="results/{database}/recordings.csv",
    log:
        "logs/folds/{database}.log",
    conda:
        "../environment.yml"
    params:
        source=source_params,
        windows=lambda wildcards: WORKFLOW.sources[wildcards.database].windows,
        folds=lambda wildcards: WORKFLOW.sources[wildcards.database].model_dump()[
            "folds"
        ],
    message:
        "{wildcards.database}: folds"
    script:
        "../workflow_scripts/folds.py"
