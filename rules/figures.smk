rule fig4:
    input:
        "results/table2.csv",
    output:
        svg=drawn("results/figures/fig4.svg", "fig4", "Fig. 4"),
        png="results/figures/fig4.png",
    log:
        "logs/figures/fig4.log",
    localrule: True
    conda:
        "../environment.yml"
    message:
        "Fig. 4"
    script:
        "../workflow_scripts/performance.py"


rule fig5:
    input:
        STUDY.figures.histories,
    output:
        svg=drawn(f"results/figures/fig5/{paths.CASE}.svg", "fig5", "Fig. 5"),
        png=f"results/figures/fig5/{paths.CASE}.png",
    log:
        f"logs/figures/results/figures/fig5/{paths.CASE}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        systems=[STUDY.systems[slug] for slug in STUDY.figures.learning],
        title=f"{{database}}, {{window}}, {{channels}}: seed {STUDY.workflow.seeds[0]}, fold 1",
    message:
        "Fig. 5: {wildcards.database}, {wildcards.window}, {wildcards.channels}"
    script:
        "../workflow_scripts/learning.py"


use rule fig5 as fig1 with:
    output:
        svg=drawn(f"results/figures/fig1/{paths.CASE}.svg", "fig1", "Fig. 1(b), (d)"),
        png=f"results/figures/fig1/{paths.CASE}.png",
    log:
        f"logs/figures/results/figures/fig1/{paths.CASE}.log",
    message:
        "Fig. 1(b), (d): {wildcards.database}, {wildcards.window}, {wildcards.channels}"


use rule fig5 as fig6 with:
    output:
        svg=drawn(f"results/figures/fig6/{paths.CASE}.svg", "fig6", "Fig. 6"),
        png=f"results/figures/fig6/{paths.CASE}.png",
    log:
        f"logs/figures/results/figures/fig6/{paths.CASE}.log",
    message:
        "Fig. 6: {wildcards.database}, {wildcards.window}, {wildcards.channels}"


rule gain:
    input:
        "results/table2.csv",
    output:
        svg=drawn("results/figures/gain.svg", "gain", "Gain"),
        png="results/figures/gain.png",
    log:
        "logs/figures/gain.log",
    localrule: True
    conda:
        "../environment.yml"
    message:
        "Gain of both views over one"
    script:
        "../workflow_scripts/performance.py"


rule reliability:
    input:
        predictions=lambda wildcards: STUDY.table2.predictions(**wildcards),
        recordings=paths.RECORDINGS,
    output:
        subjects=drawn(
            f"results/figures/subjects/{paths.CASE}.svg", "subjects", "Subjects"
        ),
        calibration=drawn(
            f"results/figures/calibration/{paths.CASE}.svg",
            "calibration",
            "Calibration",
        ),
        png=[
            f"results/figures/subjects/{paths.CASE}.png",
            f"results/figures/calibration/{paths.CASE}.png",
        ],
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
    message:
        "Accuracy by subject, and calibration: {wildcards.database}, {wildcards.window}, "
        "{wildcards.channels}"
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
        [f"{paths.HYPNOGRAMS}/{pick}.png" for pick in PICKS],
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
    message:
        "Hypnograms: {wildcards.database}, {wildcards.window}, {wildcards.channels}, "
        "{wildcards.system}"
    script:
        "../workflow_scripts/hypnograms.py"


use rule hypnograms as hypnogram with:
    output:
        drawn(
            f"{paths.HYPNOGRAMS}/{{recording}}.svg",
            "hypnogram",
            "{recording}",
            category="Hypnograms",
            system="{system}",
        ),
        f"{paths.HYPNOGRAMS}/{{recording}}.png",
    log:
        f"logs/figures/{paths.HYPNOGRAMS}/{{recording}}.log",
    wildcard_constraints:
        recording=rf"(?!({'|'.join(PICKS)})\.)[^/]+",
