# What is checked: the runs of Table 2, and the first of the cheapest system trained again. Systems
# from the one that takes least to train to the one that takes most.
BY_COST = [
    "ARNN+RNN",
    "SeqSleepNet+",
    "FCNN+RNN",
    "DeepSleepNet+",
    "XSleepNet1",
    "Naive-Fusion",
    "XSleepNet2",
]
AGAIN = [
    run for run in SCRATCH_RUNS if run["system"] == min(SELECTED, key=BY_COST.index)
][:1]
AGAIN_FOLDERS = [RUN.format(root=RETRAINED, **run) for run in AGAIN]

# What the runs of each database and system are configured with now.
CONFIGURED = {
    database: {
        slug: {
            "network": preset(database).network.model_dump(mode="json"),
            "training": preset(database).training_of(system).model_dump(mode="json"),
        }
        for slug, system in SYSTEMS.items()
        if slug in SELECTED
    }
    | {
        f"FT-{network}": {
            "training": preset(database)
            .training_of(finetuned, finetuning=True)
            .model_dump(mode="json")
        }
        for network, (_, finetuned) in xsleep_settings.TRANSFERRED.items()
    }
    for database in WORKFLOW.databases
}
AUDIT = ["results/audit/index.html", "results/audit/audit.json"]
AUDIT_RESOURCES = [preset(database).resources for database in WORKFLOW.databases]


# The files of the runs are no input: what is missing of them is for the audit to tell, not to be
# made again.
rule audit:
    input:
        table2="results/table2.csv",
        retrained=[f"{folder}/predictions.h5" for folder in AGAIN_FOLDERS],
    output:
        html=report(
            AUDIT[0],
            caption="../captions/audit.rst",
            category="Audit",
        ),
        json=AUDIT[1],
    log:
        "logs/audit.log",
    benchmark:
        "logs/benchmarks/audit.tsv"
    conda:
        "../environment.yml"
    threads: max(resources.threads for resources in AUDIT_RESOURCES)
    resources:
        mem_mb=max(resources.mem_mb for resources in AUDIT_RESOURCES),
        runtime=lambda wildcards, attempt: 600 * attempt,
        gpu=max(resources.gpu for resources in AUDIT_RESOURCES),
    params:
        # Another at every call: what was audited may have changed since.
        asked=STARTED,
        runs=TABLE2_RUNS,
        folders=TABLE2_FOLDERS,
        indexes=[
            INDEX.format(
                store=STORES[
                    (
                        SOURCE_FILTER
                        if folder.startswith("results/transfer/")
                        else preset(run["database"]).network.raw_filter
                    )
                ],
                database=run["database"],
            )
            for run, folder in zip(TABLE2_RUNS, TABLE2_FOLDERS)
        ],
        again=[TABLE2_RUNS.index(run) for run in AGAIN],
        systems=TABLE2_SYSTEMS,
        configured=CONFIGURED,
        databases=list(WORKFLOW.databases),
    message:
        "Audit"
    script:
        "../workflow_scripts/audit.py"
