# What systems lose when the test recordings are perturbed, without being trained again. A job reads
# the recordings of a fold, perturbs and prepares them one at a time, and scores them by all systems.
rule score_perturbed:
    input:
        STUDY.robustness.inputs,
        folds=paths.FOLDS,
        indexes=lambda wildcards: STUDY.robustness.indexes(wildcards.database),
        recordings=lambda wildcards: [
            path
            for files in [fetched(wildcards.database)]
            for batch in files.batches
            for path in files.simulated(batch)
        ],
    output:
        paths.PERTURBED,
    log:
        "logs/robustness/{database}/fold-{fold}.log",
    benchmark:
        "logs/benchmarks/robustness/{database}/fold-{fold}.tsv"
    conda:
        "../environment.yml"
    threads: preset("threads")
    resources:
        **growing(mem_mb=preset("mem_mb"), runtime=600),
        gpu=lambda wildcards: min(preset("gpu")(wildcards), 1),
    params:
        scorers=STUDY.robustness.scorers,
        filterings=lambda wildcards: STUDY.robustness.filterings(wildcards.database),
        source=lambda wildcards: STUDY.settings.source(wildcards.database),
        channels=lambda wildcards: STUDY.workflow.sources[
            wildcards.database
        ].stored_channels,
        settings=STUDY.workflow.robustness.model_dump(mode="json"),
    message:
        "{wildcards.database}: score perturbed recordings, fold {wildcards.fold}"
    script:
        "../workflow_scripts/score_perturbed.py"


rule robustness:
    input:
        STUDY.robustness.scores,
    output:
        **pictures("results/figures/robustness", "robustness", "Robustness"),
        csv=reported(
            "results/robustness.csv",
            "robustness",
            "Tables",
            table="Robustness",
            format="CSV",
        ),
    log:
        "logs/robustness.log",
    conda:
        "../environment.yml"
    resources:
        **growing(mem_mb=4000, runtime=60),
    params:
        systems=STUDY.table2.systems,
        perturbations=STUDY.robustness.perturbations,
        left_out=STUDY.robustness.left_out,
        simulated=STUDY.databases.simulated,
    message:
        "Robustness"
    script:
        "../workflow_scripts/robustness.py"
