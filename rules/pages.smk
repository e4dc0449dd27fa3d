# Not in the report: what the page shows lies in a file for each night, which are read one by one.
rule explorer:
    input:
        predictions=STUDY.table2_predictions(),
        recordings=STUDY.each(paths.RECORDINGS),
        indexes=STUDY.indexes,
    output:
        page="results/explorer/index.html",
        # Removed before it is made again, so that no night stays that is not scored any more.
        nights=directory("results/explorer/data"),
    log:
        "logs/explorer.log",
    conda:
        "../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        databases=STUDY.databases,
        runs=STUDY.table2_runs,
        systems=STUDY.table2_systems,
    message:
        "A page to explore the nights"
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
            database=STUDY.source_databases if STUDY.pretrainings else [],
        ),
        retrained=[
            f"{folder(run, paths.RETRAINED)}/predictions.h5"
            for run in STUDY.trained_again
        ],
    output:
        html=report(
            "results/audit/index.html",
            caption="../captions/audit.rst",
            category="Audit",
            labels={"page": "Audit of Table 2"},
        ),
        json="results/audit/audit.json",
    log:
        "logs/audit.log",
    benchmark:
        "logs/benchmarks/audit.tsv"
    conda:
        "../environment.yml"
    threads: max(resources.threads for resources in STUDY.resources())
    resources:
        mem_mb=max(resources.mem_mb for resources in STUDY.resources()),
        runtime=lambda wildcards, attempt: 600 * attempt,
        gpu=max(resources.gpu for resources in STUDY.resources()),
    params:
        # Another at every call: what was audited may have changed since.
        asked=MESSAGES.started,
        runs=STUDY.table2_runs,
        folders=STUDY.table2_folders,
        indexes=STUDY.table2_indexes,
        pretrained=[None] * len(STUDY.scratch_runs) + STUDY.pretrained_models,
        pretrainings=STUDY.pretrainings,
        split=rules.source_split.output[0],
        sources={
            database: (index, STUDY.source_windows[database])
            for database, index in zip(STUDY.source_databases, STUDY.source_indexes)
        },
        again=[STUDY.table2_runs.index(run) for run in STUDY.trained_again],
        systems=STUDY.table2_systems,
        configured=STUDY.configured,
        databases=STUDY.databases,
    message:
        "Audit"
    script:
        "../workflow_scripts/audit.py"
