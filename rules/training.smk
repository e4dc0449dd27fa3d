rule train:
    input:
        folds=paths.FOLDS,
        index=STUDY.settings.index_of,
    output:
        **trained(paths.RUN),
    log:
        f"logs/training/{paths.RUN}.log",
    benchmark:
        f"logs/benchmarks/training/{paths.RUN}.tsv"
    wildcard_constraints:
        root="results(/ablation/[^/]+|/audit/retrained)?",
    conda:
        "../environment.yml"
    threads: preset("threads")
    resources:
        **growing(mem_mb=preset("mem_mb"), runtime=preset("runtime")),
        gpu=preset("gpu"),
    params:
        # In one, as a plan of thousands of runs takes its time function by function.
        run=STUDY.settings.record,
    message:
        "{wildcards.root}/{wildcards.database}, {wildcards.window}, {wildcards.channels}: "
        "train {wildcards.system}, seed {wildcards.seed}, fold {wildcards.fold}"
    script:
        "../workflow_scripts/train.py"


rule score:
    input:
        model=f"{paths.RUN}/model.safetensors",
        folds=paths.FOLDS,
        index=STUDY.settings.index_of,
    output:
        predictions=f"{paths.RUN}/predictions.h5",
        record=f"{paths.RUN}/scoring.json",
    log:
        f"logs/scoring/{paths.RUN}.log",
    benchmark:
        f"logs/benchmarks/scoring/{paths.RUN}.tsv"
    conda:
        "../environment.yml"
    threads: preset("threads")
    resources:
        **growing(mem_mb=preset("mem_mb"), runtime=60),
        gpu=lambda wildcards: min(preset("gpu")(wildcards), 1),
    params:
        scoring=lambda wildcards: STUDY.settings.training(wildcards).model_dump(
            include={"longest_gap", "scoring_stride"}
        ),
    message:
        "{wildcards.root}/{wildcards.database}, {wildcards.window}, {wildcards.channels}: "
        "score {wildcards.system}, seed {wildcards.seed}, fold {wildcards.fold}"
    script:
        "../workflow_scripts/score.py"
