rule table2:
    input:
        predictions=[
            f"{run_path(run)}/predictions.h5"
            for database in WORKFLOW.databases
            for run in runs(database)
        ],
        recordings=expand(
            "results/{database}/recordings.csv", database=WORKFLOW.databases
        ),
    output:
        report(
            "results/table2.csv", caption="../captions/table2.rst", category="Tables"
        ),
    log:
        "logs/table2.log",
    conda:
        "../environment.yml"
    params:
        databases=list(WORKFLOW.databases),
        runs=[run for database in WORKFLOW.databases for run in runs(database)],
        systems=SYSTEMS,
    message:
        "Table 2"
    script:
        "../workflow_scripts/table2.py"
