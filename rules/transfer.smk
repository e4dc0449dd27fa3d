# The authors' networks of the channels that are transferred.
rule import_weights:
    input:
        lambda wildcards: existing(
            STUDY.workflow.transfer.weights[wildcards.source_channels]
        ),
    output:
        "results/pretraining/authors/{source_channels}/model.safetensors",
    log:
        "logs/pretraining/authors/{source_channels}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        weights=lambda wildcards: str(
            STUDY.workflow.transfer.weights[wildcards.source_channels]
        ),
    message:
        "{wildcards.source_channels}: import {params.weights}"
    script:
        "../workflow_scripts/import_weights.py"


# Where several databases are pretrained on, they are pooled.
rule source_split:
    input:
        [*STUDY.transfer.indexes.values()],
    output:
        f"results/pretraining/{STUDY.transfer.source}/split.csv",
    log:
        f"logs/pretraining/{STUDY.transfer.source}/split.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        windows=STUDY.transfer.windows,
        validation=STUDY.workflow.transfer.validation,
        seed=1,
    message:
        f"{STUDY.transfer.source}: who trains and who validates"
    script:
        "../workflow_scripts/source_split.py"


use rule train as pretrain with:
    input:
        split=rules.source_split.output[0],
        indexes=[*STUDY.transfer.indexes.values()],
    output:
        **trained(f"{STUDY.transfer.pretraining_folder}/{{system}}/seed-{{seed}}"),
    log:
        f"logs/training/{STUDY.transfer.pretraining_folder}/{{system}}/seed-{{seed}}.log",
    benchmark:
        f"logs/benchmarks/training/{STUDY.transfer.pretraining_folder}/{{system}}/seed-{{seed}}.tsv"
    params:
        windows=STUDY.transfer.windows,
        source=STUDY.transfer.source,
        run=STUDY.settings.record,
    message:
        f"{STUDY.transfer.source}, {{wildcards.source_channels}}: "
        "pretrain {wildcards.system}, seed {wildcards.seed}"


use rule train as finetune with:
    input:
        pretrained=STUDY.transfer.pretrained,
        folds=paths.FOLDS,
        index=lambda wildcards: STUDY.transfer.index(wildcards.database),
    output:
        **trained(f"{paths.TRANSFER}/{paths.ADDRESS}"),
    log:
        f"logs/training/{paths.TRANSFER}/{paths.ADDRESS}.log",
    benchmark:
        f"logs/benchmarks/training/{paths.TRANSFER}/{paths.ADDRESS}.tsv"
    params:
        run=STUDY.transfer.record,
    message:
        "{wildcards.source} {wildcards.source_channels} to {wildcards.database} "
        "{wildcards.channels}{wildcards.subjects}: finetune {wildcards.system} "
        "({wildcards.strategy}), seed {wildcards.seed}, fold {wildcards.fold}"


use rule import_weights as import_zero_shot with:
    input:
        existing(STUDY.workflow.zero_shot.weights),
    output:
        "results/zero_shot/model.safetensors",
    log:
        "logs/zero_shot/import_weights.log",
    params:
        weights=lambda wildcards: str(STUDY.workflow.zero_shot.weights),
    message:
        "Zero-shot: import {params.weights}"


# Signals are filtered as released whatever the preset says: so were those of the network.
rule zero_shot:
    input:
        model="results/zero_shot/model.safetensors",
        index=STUDY.settings.index(
            STUDY.scored, STUDY.workflow.presets["released"].network
        ),
    output:
        table=reported(
            "results/zero_shot.csv",
            "zero_shot",
            "Tables",
            of=[STUDY.scored],
            table="Zero-shot",
            format="CSV",
        ),
        predictions="results/zero_shot/predictions.h5",
    log:
        "logs/zero_shot/score.log",
    benchmark:
        "logs/benchmarks/zero_shot.tsv"
    conda:
        "../environment.yml"
    threads: STUDY.settings.preset(STUDY.scored).resources.threads
    resources:
        mem_mb=STUDY.settings.preset(STUDY.scored).resources.mem_mb,
        runtime=60,
        gpu=min(STUDY.settings.preset(STUDY.scored).resources.gpu, 1),
    params:
        database=STUDY.scored,
        source=STUDY.settings.source(STUDY.scored),
        window=STUDY.workflow.sources[STUDY.scored].windows[0],
        longest_gap=STUDY.settings.preset(STUDY.scored).training.longest_gap,
        scoring_stride=STUDY.settings.preset(STUDY.scored).training.scoring_stride,
    message:
        "Zero-shot: score {params.database}"
    script:
        "../workflow_scripts/zero_shot.py"


rule transfer_table:
    input:
        predictions=lambda wildcards: STUDY.transfer.files(
            wildcards.table, "predictions.h5"
        ),
        runs=lambda wildcards: STUDY.transfer.files(wildcards.table, "run.json"),
        recordings=expand(paths.RECORDINGS, database=STUDY.workflow.target),
    output:
        reported(
            "results/{table}.csv",
            "{table}",
            "Tables",
            of=STUDY.workflow.target,
            table="{table}",
            format="CSV",
        ),
    log:
        "logs/{table}.log",
    wildcard_constraints:
        table="|".join(STUDY.transfer.runs),
    conda:
        "../environment.yml"
    resources:
        **growing(mem_mb=4000, runtime=60),
    params:
        source=STUDY.transfer.source,
        runs=lambda wildcards: STUDY.transfer.runs[wildcards.table],
        targets=list(STUDY.workflow.target),
        simulated=STUDY.databases.simulated,
    message:
        "{wildcards.table}"
    script:
        "../workflow_scripts/transfer_table.py"


rule transfer_figure:
    input:
        "results/{table}.csv",
    output:
        **pictures(
            "results/figures/{table}", "{table}", "{table}", of=STUDY.workflow.target
        ),
    log:
        "logs/figures/{table}.log",
    wildcard_constraints:
        table="|".join(STUDY.transfer.runs),
    localrule: True
    conda:
        "../environment.yml"
    params:
        simulated=STUDY.databases.simulated,
    message:
        "Figure: {wildcards.table}"
    script:
        "../workflow_scripts/transfer_figure.py"
