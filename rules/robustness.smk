# What systems lose when the test recordings are perturbed, without being trained again. A job reads
# them, perturbs and prepares one at a time, and scores it by all systems. The files of recordings are
# no input, so that none is simulated again, and all trained anew, for this table.
rule score_perturbed:
    input:
        STUDY.robustness.inputs,
        folds=paths.FOLDS,
        indexes=lambda wildcards: STUDY.robustness.indexes(wildcards.database),
    output:
        paths.PERTURBED,
    log:
        "logs/robustness/{database}/{perturbation}.log",
    benchmark:
        "logs/benchmarks/robustness/{database}/{perturbation}.tsv"
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
        change=STUDY.robustness.change,
        seed=STUDY.workflow.robustness.seed,
    message:
        "{wildcards.database}: score test recordings, perturbed: {wildcards.perturbation}"
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
