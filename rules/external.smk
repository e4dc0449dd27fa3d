# Systems that are not trained here: one file of predictions has all folds.
rule external:
    input:
        index=STUDY.settings.index_of,
        recordings=paths.RECORDINGS,
        folds=paths.FOLDS,
    output:
        predictions=f"{paths.EXTERNAL}/predictions.h5",
        record=f"{paths.EXTERNAL}/import.json",
    log:
        f"logs/external/{paths.EXTERNAL}.log",
    benchmark:
        f"logs/benchmarks/external/{paths.EXTERNAL}.tsv"
    conda:
        "../environment.yml"
    resources:
        **growing(mem_mb=4000, runtime=60),
    params:
        name=lambda wildcards: STUDY.external.names[wildcards.system],
        settings=STUDY.external.settings,
        source=lambda wildcards: STUDY.settings.source(wildcards.database),
    message:
        "{wildcards.kind}: {wildcards.database}, {wildcards.window}, {wildcards.channels}: "
        "{wildcards.system}"
    script:
        "../workflow_scripts/external.py"


# Networks that were trained elsewhere get the normalisation of the fold's training recordings.
rule import_given:
    input:
        folds=paths.FOLDS,
        index=STUDY.settings.index_of,
    output:
        model=f"{paths.GIVEN}/{paths.ADDRESS}/model.safetensors",
        record=f"{paths.GIVEN}/{paths.ADDRESS}/import.json",
    log:
        f"logs/given/{paths.ADDRESS}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        checkpoint=STUDY.runs.checkpoint,
        system=lambda wildcards: STUDY.systems[wildcards.system],
        network=lambda wildcards: STUDY.settings.record(wildcards)["network"],
    message:
        "{wildcards.database}, {wildcards.window}, {wildcards.channels}: "
        "import {wildcards.system}, fold {wildcards.fold}"
    script:
        "../workflow_scripts/import_given.py"


rule released_outputs:
    input:
        predictions=[f"{one.folder}/predictions.h5" for one in STUDY.external.released],
        recordings=expand(paths.RECORDINGS, database=STUDY.workflow.released_outputs),
    output:
        reported(
            "results/released_outputs.csv",
            "released_outputs",
            "Tables",
            of=[],
            table="Released outputs",
            format="CSV",
        ),
    log:
        "logs/released_outputs.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        databases=list(STUDY.workflow.released_outputs),
        runs=[one.run(STUDY.workflow.seeds[0]) for one in STUDY.external.released],
        systems=STUDY.table2.systems,
    message:
        "Released outputs: quoted and measured"
    script:
        "../workflow_scripts/released_outputs.py"
