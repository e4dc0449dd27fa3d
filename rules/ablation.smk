# What each difference between the paper and the released code changes, switched alone. Where none
# is switched, the runs are those of Table 2.
ABLATED = WORKFLOW.ablation
ABLATION_RUNS = {
    run_path(run, difference): (difference, run)
    for difference in ["", *xsleep_settings.DIFFERENCES]
    for run in runs(ABLATED.database, [ABLATED.system.replace(" ", "-")])
    if (run["window"], run["channels"]) == (ABLATED.window, ABLATED.channels)
}


rule ablation:
    input:
        predictions=[f"{path}/predictions.h5" for path in ABLATION_RUNS],
        recordings=f"results/{ABLATED.database}/recordings.csv",
    output:
        report(
            "results/ablation.csv",
            caption="../captions/ablation.rst",
            category="Tables",
        ),
    log:
        "logs/ablation.log",
    conda:
        "../environment.yml"
    params:
        database=ABLATED.database,
        runs=list(ABLATION_RUNS.values()),
        systems=SYSTEMS,
        values={
            difference: {
                setting: preset(ABLATED.database, difference).value(setting)
                for setting in settings
            }
            for difference, settings in xsleep_settings.DIFFERENCES.items()
        },
    message:
        "Ablation"
    script:
        "../workflow_scripts/ablation.py"
