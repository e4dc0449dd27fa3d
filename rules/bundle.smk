# Results that travel: a card, Croissant metadata, and all of them in one file, without signals.
rule card:
    input:
        "results/table2.csv",
    output:
        reported("results/card.md", "card", "Tables", table="Table 2", format="Card"),
    log:
        "logs/card.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        sources={
            d: STUDY.settings.source(d, fetched=True) for d in STUDY.databases.names
        },
    message:
        "Card of the results"
    script:
        "../workflow_scripts/card.py"


rule croissant:
    input:
        predictions=STUDY.table2.predictions(),
        tables=STUDY.databases.each(paths.RECORDINGS)
        + STUDY.databases.each(paths.FOLDS),
    output:
        "results/croissant.json",
    log:
        "logs/croissant.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        sources=rules.card.params.sources,
    message:
        "Croissant metadata"
    script:
        "../workflow_scripts/croissant.py"


rule bundle:
    input:
        predictions=STUDY.table2.predictions(),
        results=[
            *rules.all.input,
            *rules.audit.output,
            rules.ro_crate.output.crate,
            rules.checklists.output,
            rules.croissant.output,
            rules.card.output,
        ],
        tables=rules.croissant.input.tables,
    output:
        "results/bundle.zip",
    log:
        "logs/bundle.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        runs=STUDY.table2.runs,
        systems=STUDY.table2.systems,
        sources=rules.card.params.sources,
    message:
        "Bundle of results"
    script:
        "../workflow_scripts/bundle.py"
