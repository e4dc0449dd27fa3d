# What is checked: the runs of Table 2, and the first of the cheapest system trained again. Systems
# from the one that takes least to train to the one that takes most.
AGAIN = [
    run
    for run in SCRATCH_RUNS
    if run["system"]
    == min(SELECTED, key=lambda slug: systems.registry()[SYSTEMS[slug]].cost)
][:1]
AGAIN_FOLDERS = [RUN.format(root=RETRAINED, **run) for run in AGAIN]

# What the runs of each database and system are configured with now.
CONFIGURED = {
    database: {
        slug: {
            "system": system,
            "network": preset(database).network.model_dump(mode="json"),
            "training": preset(database).training_of(system).model_dump(mode="json"),
        }
        for slug, system in SYSTEMS.items()
        if slug in SELECTED
    }
    | {
        f"FT-{network}": {
            "source": SOURCE,
            "system": finetuned.name,
            "strategy": FINETUNED_BY[f"FT-{network}"],
            # that of the authors' is in their files
            **(
                {}
                if AUTHORS
                else {"network": pretraining(finetuned.transfer.pretrained)["network"]}
            ),
            "training": preset(database)
            .training_of(finetuned.name, finetuning=True)
            .model_dump(mode="json"),
        }
        for network, finetuned in systems.transferred().items()
    }
    for database in WORKFLOW.databases
}
# The same of the networks that runs go on from, by the folder of each. The authors' come without a
# record of their training.
PRETRAININGS = {
    os.path.dirname(model): {
        "source": SOURCE,
        "channels": run["source_channels"],
        "seed": run["address"]["seed"],
        **pretraining(systems.transferred()[run["network"]].transfer.pretrained),
    }
    for run, model in zip(FINETUNED_RUNS, PRETRAINED_MODELS)
    if not AUTHORS
}
AUDIT = ["results/audit/index.html", "results/audit/audit.json"]
AUDIT_RESOURCES = [preset(database).resources for database in WORKFLOW.databases]


# The files of the runs are no input: what is missing of them is for the audit to tell, not to be
# made again.
rule audit:
    input:
        table2="results/table2.csv",
        # those of Table 2 are made by then
        sources=expand(
            "results/{database}/recordings.csv",
            database=SOURCE_DATABASES if PRETRAININGS else [],
        ),
        retrained=[f"{folder}/predictions.h5" for folder in AGAIN_FOLDERS],
    output:
        html=report(
            AUDIT[0],
            caption="../captions/audit.rst",
            category="Audit",
            labels={"page": "Audit of Table 2"},
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
            *(index_of(run["database"]) for run in SCRATCH_RUNS),
            *(
                index_of(run["address"]["database"], SOURCE_PRESET.network)
                for run in FINETUNED_RUNS
            ),
        ],
        pretrained=[None] * len(SCRATCH_RUNS) + PRETRAINED_MODELS,
        pretrainings=PRETRAININGS,
        split=rules.source_split.output[0],
        sources={
            database: (index, SOURCE_WINDOWS[database])
            for database, index in zip(SOURCE_DATABASES, SOURCE_INDEXES)
        },
        again=[TABLE2_RUNS.index(run) for run in AGAIN],
        systems=TABLE2_SYSTEMS,
        configured=CONFIGURED,
        databases=list(WORKFLOW.databases),
    message:
        "Audit"
    script:
        "../workflow_scripts/audit.py"
