# What finetuning reaches: the table, the learning curves and their figures.
CURVE_STRATEGIES = ["scratch", "direct", "all"]
TRANSFER_RUNS = {
    "transfer": transferred(WORKFLOW.transfer.strategies, [None]),
    "learning_curves": transferred(
        CURVE_STRATEGIES, [*WORKFLOW.transfer.subjects, None]
    ),
}


rule transfer_table:
    input:
        predictions=lambda wildcards: [
            f"{run['folder']}/predictions.h5" for run in TRANSFER_RUNS[wildcards.table]
        ],
        runs=lambda wildcards: [
            f"{run['folder']}/run.json" for run in TRANSFER_RUNS[wildcards.table]
        ],
        recordings=expand("results/{database}/recordings.csv", database=WORKFLOW.target),
    output:
        report(
            "results/{table}.csv",
            caption="../captions/{table}.rst",
            category="Tables",
            labels={"table": "{table}", "format": "CSV"},
        ),
    log:
        "logs/{table}.log",
    wildcard_constraints:
        table="|".join(TRANSFER_RUNS),
    conda:
        "../environment.yml"
    params:
        source=SOURCE,
        runs=lambda wildcards: TRANSFER_RUNS[wildcards.table],
        targets=list(WORKFLOW.target),
    message:
        "{wildcards.table}"
    script:
        "../workflow_scripts/transfer_table.py"


rule transfer_figure:
    input:
        "results/{table}.csv",
    output:
        svg=report(
            "results/figures/{table}.svg",
            caption="../captions/{table}.rst",
            category="Figures",
            labels=labels_of("{table}", case=False),
        ),
        png="results/figures/{table}.png",
    log:
        "logs/figures/{table}.log",
    wildcard_constraints:
        table="|".join(TRANSFER_RUNS),
    conda:
        "../environment.yml"
    message:
        "Figure: {wildcards.table}"
    script:
        "../workflow_scripts/transfer_figure.py"
