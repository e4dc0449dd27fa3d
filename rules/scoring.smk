rule score:
    input:
        model=f"{RUN}/model.safetensors",
        folds="results/{database}/folds.csv",
        index=index,
    output:
        predictions=f"{RUN}/predictions.h5",
        record=f"{RUN}/scoring.json",
    log:
        f"logs/scoring/{RUN}.log",
    benchmark:
        f"logs/benchmarks/scoring/{RUN}.tsv"
    conda:
        "../environment.yml"
    threads: lambda wildcards: run_preset(wildcards).resources.threads
    resources:
        mem_mb=growing("mem_mb"),
        runtime=lambda wildcards, attempt: 60 * attempt,
        gpu=lambda wildcards: min(run_preset(wildcards).resources.gpu, 1),
    params:
        scoring=lambda wildcards: training_settings(wildcards).model_dump(
            include={"longest_gap", "scoring_stride"}
        ),
    message:
        "{wildcards.root}/{wildcards.database}, {wildcards.window}, {wildcards.channels}: "
        "score {wildcards.system}, seed {wildcards.seed}, fold {wildcards.fold}"
    script:
        "../workflow_scripts/score.py"
