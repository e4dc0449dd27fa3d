rule table2:
    input:
        predictions=[f"{folder}/predictions.h5" for folder in TABLE2_FOLDERS],
        recordings=RECORDINGS,
    output:
        csv=report(
            "results/table2.csv",
            caption="../captions/table2.rst",
            category="Tables",
            labels={"table": "Table 2", "format": "CSV"},
        ),
        html=report(
            "results/table2.html",
            caption="../captions/table2.rst",
            category="Tables",
            labels={"table": "Table 2", "format": "HTML"},
        ),
        tex="results/table2.tex",
    log:
        "logs/table2.log",
    conda:
        "../environment.yml"
    params:
        databases=list(WORKFLOW.databases),
        runs=TABLE2_RUNS,
        systems=TABLE2_SYSTEMS,
        not_run=not_run,
    message:
        "Table 2"
    script:
        "../workflow_scripts/table2.py"
