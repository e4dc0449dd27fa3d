rule train:
    input:
        folds="results/{database}/folds.csv",
        index=index,
    output:
        model=f"{RUN}/model.safetensors",
        history=f"{RUN}/history.csv",
        run=f"{RUN}/run.json",
    log:
        f"logs/training/{RUN}.log",
    benchmark:
        f"logs/benchmarks/training/{RUN}.tsv"
    wildcard_constraints:
        root="results(/ablation/[^/]+|/audit/retrained)?",
    conda:
        "../environment.yml"
    threads: lambda wildcards: run_preset(wildcards).resources.threads
    resources:
        mem_mb=growing("mem_mb"),
        runtime=growing("runtime"),
        gpu=lambda wildcards: run_preset(wildcards).resources.gpu,
    params:
        # In one, as a plan of thousands of runs takes its time function by function.
        run=lambda wildcards: {
            "system": SYSTEMS[wildcards.system],
            "network": run_preset(wildcards).network.model_dump(mode="json"),
            "training": training_settings(wildcards).model_dump(mode="json"),
        },
    message:
        "{wildcards.root}/{wildcards.database}, {wildcards.window}, {wildcards.channels}: "
        "train {wildcards.system}, seed {wildcards.seed}, fold {wildcards.fold}"
    script:
        "../workflow_scripts/train.py"
