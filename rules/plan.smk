# What Table 2 will cost. No output that a later call would find made: what is listed, prepared or
# finished by then changes it.
rule plan:
    log:
        "logs/plan.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        workflow=WORKFLOW.model_dump(mode="json"),
        runs=lambda wildcards: [(*run, count) for run, count in planned_runs().items()],
        listed={
            database: (
                len(entries),
                len({entry.subject for entry in entries.values()}),
            )
            for database, entries in ENTRIES.items()
        },
        indexes={database: index_of(database) for database in WORKFLOW.sources},
        batches=MOST_BATCHES,
        results="results",
        out="results/plan.csv",
    message:
        "Plan of Table 2"
    script:
        "../workflow_scripts/plan.py"
