# The authors' networks of the channels that are transferred.
rule import_weights:
    input:
        authors_weights,
    output:
        "results/pretraining/authors/{source_channels}/model.safetensors",
    log:
        "logs/pretraining/authors/{source_channels}.log",
    conda:
        "../environment.yml"
    params:
        weights=lambda wildcards: str(
            WORKFLOW.transfer.weights[wildcards.source_channels]
        ),
    message:
        "{wildcards.source_channels}: import {params.weights}"
    script:
        "../workflow_scripts/import_weights.py"


# Where several databases are pretrained on, they are pooled.
rule source_split:
    input:
        SOURCE_INDEXES,
    output:
        f"results/pretraining/{SOURCE}/split.csv",
    log:
        f"logs/pretraining/{SOURCE}/split.log",
    conda:
        "../environment.yml"
    params:
        windows=SOURCE_WINDOWS,
        validation=WORKFLOW.transfer.validation,
        seed=1,
    message:
        f"{SOURCE}: who trains and who validates"
    script:
        "../workflow_scripts/source_split.py"


rule pretrain:
    input:
        split=rules.source_split.output[0],
        indexes=SOURCE_INDEXES,
    output:
        model=f"{PRETRAINED}/{{system}}/seed-{{seed}}/model.safetensors",
        history=f"{PRETRAINED}/{{system}}/seed-{{seed}}/history.csv",
        run=f"{PRETRAINED}/{{system}}/seed-{{seed}}/run.json",
    log:
        f"logs/training/{PRETRAINED}/{{system}}/seed-{{seed}}.log",
    benchmark:
        f"logs/benchmarks/training/{PRETRAINED}/{{system}}/seed-{{seed}}.tsv"
    conda:
        "../environment.yml"
    threads: SOURCE_PRESET.resources.threads
    resources:
        mem_mb=lambda wildcards, attempt: attempt * SOURCE_PRESET.resources.mem_mb,
        runtime=lambda wildcards, attempt: attempt * SOURCE_PRESET.resources.runtime,
        gpu=SOURCE_PRESET.resources.gpu,
    params:
        windows=SOURCE_WINDOWS,
        source=SOURCE,
        run=lambda wildcards: pretraining(SYSTEMS[wildcards.system]),
    message:
        f"{SOURCE}, {{wildcards.source_channels}}: "
        "pretrain {wildcards.system}, seed {wildcards.seed}"
    script:
        "../workflow_scripts/pretrain.py"


rule finetune:
    input:
        pretrained=pretrained,
        folds="results/{database}/folds.csv",
        index=lambda wildcards: index_of(wildcards.database, SOURCE_PRESET.network),
    output:
        model=f"{TRANSFER}/{ADDRESS}/model.safetensors",
        history=f"{TRANSFER}/{ADDRESS}/history.csv",
        run=f"{TRANSFER}/{ADDRESS}/run.json",
    log:
        f"logs/training/{TRANSFER}/{ADDRESS}.log",
    benchmark:
        f"logs/benchmarks/training/{TRANSFER}/{ADDRESS}.tsv"
    conda:
        "../environment.yml"
    threads: lambda wildcards: run_preset(wildcards).resources.threads
    resources:
        mem_mb=growing("mem_mb"),
        runtime=growing("runtime"),
        gpu=lambda wildcards: run_preset(wildcards).resources.gpu,
    params:
        run=lambda wildcards: {
            "system": SYSTEMS[wildcards.system],
            "subjects": (
                int(wildcards.subjects.rpartition("-")[2])
                if wildcards.subjects
                else None
            ),
            "training": training_settings(wildcards, finetuning=True).model_dump(
                mode="json"
            ),
        },
    message:
        "{wildcards.source} {wildcards.source_channels} to {wildcards.database} "
        "{wildcards.channels}{wildcards.subjects}: finetune {wildcards.system} "
        "({wildcards.strategy}), seed {wildcards.seed}, fold {wildcards.fold}"
    script:
        "../workflow_scripts/finetune.py"
