# Not in the report: what the page shows lies in a file for each recording.
rule explorer:
    input:
        predictions=STUDY.table2.predictions(),
        recordings=STUDY.databases.each(paths.RECORDINGS),
        indexes=STUDY.indexes,
    output:
        page="results/explorer/index.html",
        # Removed before it is made again, so that no recording stays that is not scored any more.
        recordings=directory("results/explorer/data"),
    log:
        "logs/explorer.log",
    conda:
        "../environment.yml"
    resources:
        **growing(mem_mb=2000, runtime=60),
    params:
        databases=STUDY.databases.names,
        simulated=STUDY.databases.simulated,
        runs=STUDY.table2.runs,
        systems=STUDY.table2.systems,
    message:
        "A page to explore the recordings"
    script:
        "../workflow_scripts/explorer.py"


# The files of the runs are no input: what is missing of them is for the audit to tell, not to be
# made again.
rule audit:
    input:
        table2="results/table2.csv",
        # those of Table 2 are made by then
        sources=expand(
            paths.RECORDINGS,
            database=STUDY.transfer.windows if STUDY.audit.pretrainings else [],
        ),
        retrained=[
            f"{folder(run, paths.RETRAINED)}/predictions.h5"
            for run in STUDY.audit.again
        ],
    output:
        html=reported(
            "results/audit/index.html", "audit", "Audit", page="Audit of Table 2"
        ),
        json="results/audit/audit.json",
    log:
        "logs/audit.log",
    benchmark:
        "logs/benchmarks/audit.tsv"
    conda:
        "../environment.yml"
    threads: STUDY.audit.resources.threads
    resources:
        mem_mb=STUDY.audit.resources.mem_mb,
        runtime=lambda wildcards, attempt: 600 * attempt,
        gpu=STUDY.audit.resources.gpu,
    params:
        # Another at every call: what was audited may have changed since.
        asked=MESSAGES.started,
        runs=STUDY.table2.trained,
        folders=STUDY.table2.trained_folders,
        imported=STUDY.table2.imported,
        imported_folders=STUDY.table2.imported_folders,
        imported_indexes=[
            STUDY.settings.index(run["database"]) for run in STUDY.table2.imported
        ],
        indexes=STUDY.table2.indexes,
        pretrained=STUDY.table2.pretrained,
        pretrainings=STUDY.audit.pretrainings,
        split=rules.source_split.output[0],
        sources={
            database: (index, STUDY.transfer.windows[database])
            for database, index in STUDY.transfer.indexes.items()
        },
        again=[STUDY.table2.trained.index(run) for run in STUDY.audit.again],
        systems=STUDY.table2.systems,
        configured=STUDY.audit.configured,
        databases=STUDY.databases.names,
        simulated=STUDY.databases.simulated,
    message:
        "Audit"
    script:
        "../workflow_scripts/audit.py"
