rule fig4:
    input:
        "results/table2.csv",
    output:
        **pictures("results/figures/fig4", "fig4", "Fig. 4"),
    log:
        "logs/figures/fig4.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        simulated=STUDY.databases.simulated,
    message:
        "Fig. 4"
    script:
        "../workflow_scripts/performance.py"


rule fig5:
    input:
        STUDY.figures.histories,
    output:
        **pictures(f"results/figures/fig5/{paths.CASE}", "fig5", "Fig. 5"),
    log:
        f"logs/figures/results/figures/fig5/{paths.CASE}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        systems=lambda wildcards: [
            system.name for system in STUDY.figures.learning(wildcards.database)
        ],
        title="{database}, {window}, {channels}\n"
        f"seed {STUDY.workflow.seeds[0]}, fold 1",
        simulated=STUDY.databases.simulated,
    message:
        "Fig. 5: {wildcards.database}, {wildcards.window}, {wildcards.channels}"
    script:
        "../workflow_scripts/learning.py"


use rule fig5 as fig1 with:
    output:
        **pictures(f"results/figures/fig1/{paths.CASE}", "fig1", "Fig. 1(b), (d)"),
    log:
        f"logs/figures/results/figures/fig1/{paths.CASE}.log",
    message:
        "Fig. 1(b), (d): {wildcards.database}, {wildcards.window}, {wildcards.channels}"


use rule fig5 as fig6 with:
    output:
        **pictures(f"results/figures/fig6/{paths.CASE}", "fig6", "Fig. 6"),
    log:
        f"logs/figures/results/figures/fig6/{paths.CASE}.log",
    message:
        "Fig. 6: {wildcards.database}, {wildcards.window}, {wildcards.channels}"


rule gain:
    input:
        predictions=STUDY.table2.predictions(),
        recordings=STUDY.databases.each(paths.RECORDINGS),
    output:
        **pictures("results/figures/gain", "gain", "Gain"),
    log:
        "logs/figures/gain.log",
    conda:
        "../environment.yml"
    resources:
        **growing(mem_mb=4000, runtime=60),
    params:
        databases=STUDY.databases.names,
        runs=STUDY.table2.runs,
        systems=STUDY.table2.systems,
        simulated=STUDY.databases.simulated,
    message:
        "Gain of both views over one"
    script:
        "../workflow_scripts/gain.py"


# The files of each figure but its SVG have no name.
rule reliability:
    input:
        predictions=lambda wildcards: STUDY.table2.predictions(**wildcards),
        recordings=paths.RECORDINGS,
    output:
        *[
            f"results/figures/{figure}/{paths.CASE}.{suffix}"
            for figure in OF_SYSTEMS
            for suffix in FORMATS
            if suffix != "svg"
        ],
        **{
            figure: drawn(f"results/figures/{figure}/{paths.CASE}.svg", figure, title)
            for figure, title in OF_SYSTEMS.items()
        },
    log:
        f"logs/figures/reliability/{paths.CASE}.log",
    conda:
        "../environment.yml"
    resources:
        **growing(mem_mb=4000, runtime=60),
    params:
        runs=lambda wildcards: [run for run in STUDY.table2.runs if has(run, wildcards)],
        systems=STUDY.table2.systems,
        title="{database}, {window}, {channels}",
        simulated=STUDY.databases.simulated,
    message:
        "Systems side by side: {wildcards.database}, {wildcards.window}, {wildcards.channels}"
    script:
        "../workflow_scripts/reliability.py"


rule hypnograms:
    input:
        predictions=lambda wildcards: STUDY.table2.predictions(**wildcards),
        recordings=paths.RECORDINGS,
        index=STUDY.settings.index_of,
    output:
        *[
            drawn(
                f"{paths.HYPNOGRAMS}/{pick}.svg",
                "hypnogram",
                f"{pick} recording",
                category="Hypnograms",
                system="{system}",
            )
            for pick in PICKS
        ],
        [
            f"{paths.HYPNOGRAMS}/{pick}.{suffix}"
            for pick in PICKS
            for suffix in FORMATS
            if suffix != "svg"
        ],
    log:
        f"logs/figures/{paths.HYPNOGRAMS}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        runs=lambda wildcards: [run for run in STUDY.table2.runs if has(run, wildcards)],
        systems=STUDY.table2.systems,
        title=lambda wildcards: (
            f"{wildcards.database}, {wildcards.window}, {wildcards.channels}, "
            f"{STUDY.table2.systems[wildcards.system]}"
        ),
        simulated=STUDY.databases.simulated,
    message:
        "Hypnograms: {wildcards.database}, {wildcards.window}, {wildcards.channels}, "
        "{wildcards.system}"
    script:
        "../workflow_scripts/hypnograms.py"


use rule hypnograms as hypnogram with:
    output:
        **pictures(
            f"{paths.HYPNOGRAMS}/{{recording}}",
            "hypnogram",
            "{recording}",
            category="Hypnograms",
            system="{system}",
        ),
    log:
        f"logs/figures/{paths.HYPNOGRAMS}/{{recording}}.log",
    wildcard_constraints:
        recording=rf"(?!({'|'.join(PICKS)})\.)[^/]+",
