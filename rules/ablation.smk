# What each difference between the paper and the released code changes, switched alone. Where
# none is, or where the preset has the paper's reading already, the runs are those of Table 2.
ABLATED = WORKFLOW.ablation
SWITCHED = preset(ABLATED.database).differences(
    ABLATED.system, WORKFLOW.presets["paper"]
)
ABLATION_RUNS = [
    (difference, run)
    for difference in ["none", *DIFFERENCES]
    for run in runs(ABLATED.database, [systems.slug(ABLATED.system)])
    if (run["window"], run["channels"]) == (ABLATED.window, ABLATED.channels)
    if SWITCHED  # where there is nothing to switch, it is for the job to say so
]


rule ablation:
    input:
        predictions=[
            f"{run_path(run, difference if difference in SWITCHED else '')}/predictions.h5"
            for difference, run in ABLATION_RUNS
        ],
        recordings=f"results/{ABLATED.database}/recordings.csv" if SWITCHED else [],
    output:
        report(
            "results/ablation.csv",
            caption="../captions/ablation.rst",
            category="Tables",
            labels={"table": "Ablation", "format": "CSV"},
        ),
    log:
        "logs/ablation.log",
    conda:
        "../environment.yml"
    params:
        database=ABLATED.database,
        preset=WORKFLOW.sources[ABLATED.database].preset,
        runs=ABLATION_RUNS,
        systems=SYSTEMS,
        values={
            difference: {
                setting: as_text(preset(ABLATED.database, difference).value(setting))
                for setting in settings
            }
            for difference, settings in DIFFERENCES.items()
        },
    message:
        "Ablation"
    script:
        "../workflow_scripts/ablation.py"
