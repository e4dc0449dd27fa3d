ZERO_SHOT = WORKFLOW.zero_shot


use rule import_weights as import_zero_shot with:
    input:
        ZERO_SHOT.weights if ZERO_SHOT.weights.exists() else [],
    output:
        "results/zero_shot/model.safetensors",
    log:
        "logs/zero_shot/import_weights.log",
    params:
        weights=lambda wildcards: str(ZERO_SHOT.weights),
    message:
        "Zero-shot: import {params.weights}"


# Signals are filtered as released whatever the preset says: so were those of the network.
rule zero_shot:
    input:
        model="results/zero_shot/model.safetensors",
        index=index_of(ZERO_SHOT.database, RELEASED),
    output:
        table=report(
            "results/zero_shot.csv",
            caption="../captions/zero_shot.rst",
            category="Tables",
            labels={"table": "Zero-shot", "format": "CSV"},
        ),
        predictions="results/zero_shot/predictions.h5",
    log:
        "logs/zero_shot/score.log",
    benchmark:
        "logs/benchmarks/zero_shot.tsv"
    conda:
        "../environment.yml"
    threads: preset(ZERO_SHOT.database).resources.threads
    resources:
        mem_mb=preset(ZERO_SHOT.database).resources.mem_mb,
        runtime=60,
        gpu=min(preset(ZERO_SHOT.database).resources.gpu, 1),
    params:
        database=ZERO_SHOT.database,
        source=source_params(ZERO_SHOT),
        window=WORKFLOW.sources[ZERO_SHOT.database].windows[0],
        longest_gap=preset(ZERO_SHOT.database).training.longest_gap,
        scoring_stride=preset(ZERO_SHOT.database).training.scoring_stride,
    message:
        "Zero-shot: score {params.database}"
    script:
        "../workflow_scripts/zero_shot.py"
