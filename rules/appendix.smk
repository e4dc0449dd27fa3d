# What stands on the runs of Table 2: systems compared in pairs, claims, and the appendix's tables.
# Weights to add up the branches of a network with are those of the systems that blend.
BRANCHED_RUNS = [
    run for database in WORKFLOW.databases for run in runs(database, BLENDING)
]
COMPARISONS = ["results/comparisons.csv", "results/claims.csv"]
APPENDIX = [*COMPARISONS, *(f"results/appendix_{table}.csv" for table in "bcd")]


rule comparisons:
    input:
        predictions=[f"{folder}/predictions.h5" for folder in TABLE2_FOLDERS],
        histories=[
            f"{run_path(run)}/{file}"
            for run in SCRATCH_RUNS
            for file in ("history.csv", "run.json")
        ],
        recordings=RECORDINGS,
        folds=expand("results/{database}/folds.csv", database=WORKFLOW.databases),
    output:
        comparisons=report(
            "results/comparisons.csv",
            caption="../captions/comparisons.rst",
            category="Comparisons",
            labels={"table": "Systems in pairs"},
        ),
        claims=report(
            "results/claims.csv",
            caption="../captions/claims.rst",
            category="Comparisons",
            labels={"table": "Claims of the paper"},
        ),
    log:
        "logs/comparisons.log",
    conda:
        "../environment.yml"
    params:
        databases=list(WORKFLOW.databases),
        runs=TABLE2_RUNS,
        systems=TABLE2_SYSTEMS,
    message:
        "Comparisons of systems, and claims"
    script:
        "../workflow_scripts/comparisons.py"


rule appendix:
    input:
        predictions=[f"{run_path(run)}/predictions.h5" for run in SCRATCH_RUNS],
        branched=[f"{run_path(run)}/predictions.h5" for run in BRANCHED_RUNS],
        weights=[
            f"{run_path(run)}/{file}"
            for run in BRANCHED_RUNS
            for file in ("history.csv", "run.json")
        ],
        recordings=RECORDINGS,
    output:
        **{
            table: report(
                f"results/appendix_{table}.csv",
                caption=f"../captions/appendix_{table}.rst",
                category="Appendix",
                labels={"table": f"Table {table.upper()}"},
            )
            for table in "bcd"
        },
    log:
        "logs/appendix.log",
    conda:
        "../environment.yml"
    params:
        databases=list(WORKFLOW.databases),
        runs=SCRATCH_RUNS,
        branched=BRANCHED_RUNS,
        systems=SYSTEMS,
    message:
        "Appendix: tables B, C and D"
    script:
        "../workflow_scripts/appendix.py"
