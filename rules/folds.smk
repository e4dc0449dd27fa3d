rule folds:
    input:
        "results/{database}/recordings.csv",
    output:
        "results/{database}/folds.csv",
    log:
        "logs/folds/{database}.log",
    conda:
        "../environment.yml"
    params:
        folds=lambda wildcards: WORKFLOW.sources[wildcards.database].model_dump()[
            "folds"
        ],
    message:
        "{wildcards.database}: folds"
    script:
        "../workflow_scripts/folds.py"
