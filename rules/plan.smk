from collections import Counter


def planned_runs():
    """The runs of Table 2 that are alike but for fold and seed, and how many they are."""
    found = [("train", run) for run in SCRATCH_RUNS]
    for run in FINETUNED_RUNS:
        first, _ = xsleep_settings.TRANSFERRED[run["network"]]
        pretraining = dict(
            database=SOURCE,
            window="",
            channels=run["source_channels"],
            system=first,
            seed=run["address"]["seed"],
        )
        # Once for all folds and targets.
        if not AUTHORS and ("pretrain", pretraining) not in found:
            found.append(("pretrain", pretraining))
        found.append(("finetune", run["address"]))
    keys = ("database", "window", "channels")
    return Counter(
        (stage, *map(run.get, keys), SYSTEMS[run["system"]]) for stage, run in found
    )


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
