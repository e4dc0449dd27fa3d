EXPLORER = "results/explorer/index.html"


# Not in the report: what the page shows lies in a file for each night, which are read one by one.
rule explorer:
    input:
        predictions=[f"{folder}/predictions.h5" for folder in TABLE2_FOLDERS],
        recordings=RECORDINGS,
        indexes=INDEXES,
    output:
        page=EXPLORER,
        # Removed before it is made again, so that no night stays that is not scored any more.
        nights=directory("results/explorer/data"),
    log:
        "logs/explorer.log",
    conda:
        "../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        databases=list(WORKFLOW.databases),
        runs=TABLE2_RUNS,
        systems=TABLE2_SYSTEMS,
    message:
        "A page to explore the nights"
    script:
        "../workflow_scripts/explorer.py"
