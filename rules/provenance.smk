from snakemake.common import __version__ as snakemake_version

# What `all` makes, and the runs of Table 2, as people have to tell of them: with the networks that
# these go on from, and the databases those were pretrained on.
WENT_ON_FROM = sorted(set(PRETRAINED_MODELS))
RUN_FOLDERS = TABLE2_FOLDERS + (
    [] if AUTHORS else [os.path.dirname(model) for model in WENT_ON_FROM]
)
READ = dict(zip(WORKFLOW.databases, INDEXES))
if FINETUNED_RUNS:
    READ = dict(zip(SOURCE_DATABASES, SOURCE_INDEXES)) | READ
FOLDS = expand("results/{database}/folds.csv", database=WORKFLOW.databases)


rule provenance:
    input:
        "results/ro-crate-metadata.json",
    message:
        "Provenance"


rule checklists:
    input:
        runs=[f"{folder}/run.json" for folder in RUN_FOLDERS],
        table1="results/table1.csv",
        recordings="results/recordings.csv",
        folds=FOLDS,
        indexes=INDEXES,
    output:
        **{
            name: report(
                f"results/checklists/{name}.md",
                caption=f"../captions/{name}.rst",
                category="Checklists",
                labels={"checklist": title},
            )
            for name, title in {
                "ml_reproducibility": "ML reproducibility",
                "reforms": "REFORMS",
            }.items()
        },
    log:
        "logs/checklists.log",
    conda:
        "../environment.yml"
    params:
        workflow=WORKFLOW.model_dump(mode="json"),
    message:
        "Checklists"
    script:
        "../workflow_scripts/checklists.py"


rule ro_crate:
    input:
        results=[
            *rules.all.input,
            *rules.checklists.output,
            *FOLDS,
            *RECORDINGS,
        ],
        runs=[f"{folder}/run.json" for folder in RUN_FOLDERS],
        models=[
            *WENT_ON_FROM,
            *[f"{folder}/history.csv" for folder in RUN_FOLDERS],
            *[
                f"{folder}/{file}"
                for folder in TABLE2_FOLDERS
                for file in ("model.safetensors", "predictions.h5", "scoring.json")
            ],
        ],
        indexes=list(READ.values()),
    output:
        crate="results/ro-crate-metadata.json",
        code=directory("results/workflow"),
    log:
        "logs/ro_crate.log",
    conda:
        "../environment.yml"
    params:
        sources={
            database: WORKFLOW.sources[database].source.model_dump(mode="json")
            for database in READ
        },
        snakemake=snakemake_version,
    message:
        "Workflow Run RO-Crate"
    script:
        "../workflow_scripts/ro_crate.py"
