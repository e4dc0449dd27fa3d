# Networks to score new recordings with: no subject of the database tests.
use rule source_split as network_split with:
    input:
        STUDY.settings.index_of,
    output:
        f"{paths.NETWORKS}/split.csv",
    log:
        f"logs/training/{paths.NETWORKS}/split.log",
    params:
        windows=lambda wildcards: {wildcards.database: wildcards.window},
        validation=STUDY.networks.validating,
        seed=1,
    message:
        "{wildcards.database}, {wildcards.window}: who trains and who validates"


use rule train as train_network with:
    input:
        split=rules.network_split.output[0],
        indexes=STUDY.networks.indexes,
    output:
        **trained(paths.NETWORK),
    log:
        f"logs/training/{paths.NETWORK}.log",
    benchmark:
        f"logs/benchmarks/training/{paths.NETWORK}.tsv"
    params:
        windows=lambda wildcards: {wildcards.database: wildcards.window},
        run=STUDY.settings.record,
    message:
        "{wildcards.database}, {wildcards.window}, {wildcards.channels}: "
        "train {wildcards.system} on all recordings, seed {wildcards.seed}"


# Table 2 is no input: a card asks for no cross-validation, but tells of one that has been run.
rule model_card:
    input:
        **trained(paths.NETWORK),
        split=rules.network_split.output[0],
    output:
        reported(
            f"{paths.NETWORK}/README.md",
            "model_card",
            "Networks",
            database="{database}",
            window="{window}",
            channels="{channels}",
            system="{system}",
        ),
    log:
        f"logs/networks/{paths.NETWORK}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        source=lambda wildcards: STUDY.settings.source(wildcards.database, fetched=True),
        preset=lambda wildcards: STUDY.workflow.sources[wildcards.database].preset,
        table2=STUDY.networks.table2,
    message:
        "{wildcards.database}, {wildcards.window}, {wildcards.channels}: "
        "model card of {wildcards.system}, seed {wildcards.seed}"
    script:
        "../workflow_scripts/model_card.py"
