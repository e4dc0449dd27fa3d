# The addresses of the runs of Table 2, from scratch and finetuned as a whole, and their folders.
SCRATCH_RUNS = [run for database in WORKFLOW.databases for run in runs(database)]
FINETUNED_RUNS = [
    run
    for network in WORKFLOW.finetuned
    if PLANNING or all(database not in ABSENT for database in SOURCE_DATABASES)
    for run in transfers(network.removeprefix("FT-"), "all")
    if run["address"]["database"] in WORKFLOW.databases
    if run["address"]["channels"] == run["source_channels"]
]
TABLE2_FOLDERS = [
    *map(run_path, SCRATCH_RUNS),
    *(run["folder"] for run in FINETUNED_RUNS),
]
TABLE2_RUNS = SCRATCH_RUNS + [
    run["address"] | {"system": f"FT-{run['network']}"} for run in FINETUNED_RUNS
]


rule table2:
    input:
        predictions=[f"{folder}/predictions.h5" for folder in TABLE2_FOLDERS],
        recordings=expand(
            "results/{database}/recordings.csv", database=WORKFLOW.databases
        ),
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
        systems=SYSTEMS | {name: name for name in WORKFLOW.finetuned},
        not_run=not_run,
    message:
        "Table 2"
    script:
        "../workflow_scripts/table2.py"
