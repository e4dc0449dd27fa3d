rule table1:
    input:
        recordings=STUDY.databases.each(paths.RECORDINGS),
        indexes=STUDY.indexes,
    output:
        reported(
            "results/table1.csv", "table1", "Tables", table="Table 1", format="CSV"
        ),
    log:
        "logs/table1.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        databases=STUDY.databases.described,
        simulated=STUDY.databases.simulated,
    message:
        "Table 1"
    script:
        "../workflow_scripts/table1.py"


rule agreement:
    input:
        recordings=STUDY.databases.each(paths.RECORDINGS),
    output:
        reported(
            "results/agreement.csv",
            "agreement",
            "Tables",
            table="Agreement of scorers",
            format="CSV",
        ),
    log:
        "logs/agreement.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        sources={d: STUDY.settings.source(d) for d in STUDY.databases.names},
    message:
        "Agreement of the scorers of each database"
    script:
        "../workflow_scripts/agreement.py"


rule table2:
    input:
        predictions=STUDY.table2.predictions(),
        recordings=STUDY.databases.each(paths.RECORDINGS),
    output:
        csv=reported(
            "results/table2.csv", "table2", "Tables", table="Table 2", format="CSV"
        ),
        html=reported(
            "results/table2.html", "table2", "Tables", table="Table 2", format="HTML"
        ),
        tex="results/table2.tex",
    log:
        "logs/table2.log",
    conda:
        "../environment.yml"
    resources:
        **growing(mem_mb=4000, runtime=60),
    params:
        databases=STUDY.databases.names,
        simulated=STUDY.databases.simulated,
        runs=STUDY.table2.runs,
        systems=STUDY.table2.systems,
        not_run=lambda wildcards: STUDY.table2.not_run(),
    message:
        "Table 2"
    script:
        "../workflow_scripts/table2.py"


# What `dvc metrics diff` compares.
rule metrics:
    input:
        "results/table2.csv",
    output:
        "results/metrics.json",
    log:
        "logs/metrics.log",
    localrule: True
    conda:
        "../environment.yml"
    message:
        "Metrics of every system"
    script:
        "../workflow_scripts/metrics.py"


rule comparisons:
    input:
        predictions=STUDY.table2.predictions(),
        histories=expand(
            "{run}/{file}",
            run=map(folder, STUDY.runs.scratch),
            file=["history.csv", "run.json"],
        ),
        recordings=STUDY.databases.each(paths.RECORDINGS),
        folds=STUDY.databases.each(paths.FOLDS),
    output:
        comparisons=reported(
            "results/comparisons.csv",
            "comparisons",
            "Comparisons",
            table="Systems in pairs",
        ),
        claims=reported(
            "results/claims.csv", "claims", "Comparisons", table="Claims of the paper"
        ),
    log:
        "logs/comparisons.log",
    conda:
        "../environment.yml"
    resources:
        **growing(mem_mb=4000, runtime=60),
    params:
        databases=STUDY.databases.names,
        simulated=STUDY.databases.simulated,
        runs=STUDY.table2.runs,
        systems=STUDY.table2.systems,
    message:
        "Comparisons of systems, and claims"
    script:
        "../workflow_scripts/comparisons.py"


rule appendix:
    input:
        predictions=STUDY.table2.predictions(),
        branched=[f"{folder(run)}/predictions.h5" for run in STUDY.runs.blended],
        weights=expand(
            "{run}/{file}",
            run=map(folder, STUDY.runs.blended),
            file=["history.csv", "run.json"],
        ),
        recordings=STUDY.databases.each(paths.RECORDINGS),
    output:
        b=reported("results/appendix_b.csv", "appendix_b", "Appendix", table="Table B"),
        c=reported("results/appendix_c.csv", "appendix_c", "Appendix", table="Table C"),
        d=reported("results/appendix_d.csv", "appendix_d", "Appendix", table="Table D"),
    log:
        "logs/appendix.log",
    conda:
        "../environment.yml"
    resources:
        **growing(mem_mb=4000, runtime=60),
    params:
        databases=STUDY.databases.names,
        simulated=STUDY.databases.simulated,
        runs=STUDY.table2.runs,
        branched=STUDY.runs.blended,
        systems=STUDY.table2.systems,
    message:
        "Appendix: tables B, C and D"
    script:
        "../workflow_scripts/appendix.py"


rule ablation:
    input:
        predictions=[
            f"{STUDY.ablation.folder(difference, run)}/predictions.h5"
            for difference, run in STUDY.ablation.runs
        ],
        recordings=(
            paths.RECORDINGS.format(database=STUDY.workflow.ablation.database)
            if STUDY.ablation.runs
            else []
        ),
    output:
        **pictures("results/figures/ablation", "ablation", "Ablation"),
        csv=reported(
            "results/ablation.csv",
            "ablation",
            "Tables",
            of=[STUDY.workflow.ablation.database],
            table="Ablation",
            format="CSV",
        ),
    log:
        "logs/ablation.log",
    conda:
        "../environment.yml"
    resources:
        **growing(mem_mb=4000, runtime=60),
    params:
        database=STUDY.workflow.ablation.database,
        preset=STUDY.workflow.sources[STUDY.workflow.ablation.database].preset,
        runs=STUDY.ablation.runs,
        systems=STUDY.systems,
        values=STUDY.ablation.values,
        simulated=STUDY.databases.simulated,
    message:
        "Ablation"
    script:
        "../workflow_scripts/ablation.py"


rule footprint:
    output:
        reported(
            "results/footprint.csv",
            "footprint",
            "Tables",
            of=[],
            table="Footprint",
            format="CSV",
        ),
    log:
        "logs/footprint.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        networks={
            name: {
                system: preset.network_of(system).model_dump(mode="json")
                for system in systems.registry()
            }
            for name, preset in STUDY.workflow.presets.items()
        },
    message:
        "Footprint of the networks"
    script:
        "../workflow_scripts/footprint.py"


rule cost:
    input:
        runs=[f"{folder(run)}/run.json" for run in STUDY.table2.scratch],
        scores=[f"{folder(run)}/scoring.json" for run in STUDY.table2.scratch],
        table2="results/table2.csv",
    output:
        **pictures("results/figures/cost", "cost", "Cost"),
        csv=reported("results/cost.csv", "cost", "Tables", table="Cost", format="CSV"),
    log:
        "logs/cost.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        simulated=STUDY.databases.simulated,
    message:
        "Cost of the networks beside their accuracy"
    script:
        "../workflow_scripts/cost.py"
