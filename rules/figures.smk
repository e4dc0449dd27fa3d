rule fig4:
    input:
        "results/table2.csv",
    output:
        svg=report(
            "results/figures/fig4.svg",
            caption="../captions/fig4.rst",
            category="Figures",
            labels=labels_of("Fig. 4", case=False),
        ),
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
        svg=report(
            f"results/figures/fig5/{paths.CASE}.svg",
            caption="../captions/fig5.rst",
            category="Figures",
            labels=labels_of("Fig. 5"),
        ),
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
        svg=report(
            f"results/figures/fig1/{paths.CASE}.svg",
            caption="../captions/fig1.rst",
            category="Figures",
            labels=labels_of("Fig. 1(b), (d)"),
        ),
        png=f"results/figures/fig1/{paths.CASE}.png",
    log:
        f"logs/figures/results/figures/fig1/{paths.CASE}.log",
    message:
        "Fig. 1(b), (d): {wildcards.database}, {wildcards.window}, {wildcards.channels}"


use rule fig5 as fig6 with:
    output:
        svg=report(
            f"results/figures/fig6/{paths.CASE}.svg",
            caption="../captions/fig6.rst",
            category="Figures",
            labels=labels_of("Fig. 6"),
        ),
        png=f"results/figures/fig6/{paths.CASE}.png",
    log:
        f"logs/figures/results/figures/fig6/{paths.CASE}.log",
    message:
        "Fig. 6: {wildcards.database}, {wildcards.window}, {wildcards.channels}"


rule gain:
    input:
        "results/table2.csv",
    output:
        svg=report(
            "results/figures/gain.svg",
            caption="../captions/gain.rst",
            category="Figures",
            labels=labels_of("Gain", case=False),
        ),
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
        subjects=report(
            f"results/figures/subjects/{paths.CASE}.svg",
            caption="../captions/subjects.rst",
            category="Figures",
            labels=labels_of("Subjects"),
        ),
        calibration=report(
            f"results/figures/calibration/{paths.CASE}.svg",
            caption="../captions/calibration.rst",
            category="Figures",
            labels=labels_of("Calibration"),
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
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
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
        predictions=lambda wildcards: [
            f"{folder(run)}/predictions.h5" for run in STUDY.runs.scratch if has(run, wildcards)
        ],
        recordings=paths.RECORDINGS,
        index=STUDY.settings.index_of,
    output:
        *[
            report(
                f"{paths.HYPNOGRAMS}/{pick}.svg",
                caption="../captions/hypnogram.rst",
                category="Hypnograms",
                labels=labels_of(f"{pick} night", system="{system}"),
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
        runs=lambda wildcards: [run for run in STUDY.runs.scratch if has(run, wildcards)],
        systems=STUDY.systems,
        title=lambda wildcards: (
            f"{wildcards.database}, {wildcards.window}, {wildcards.channels}, "
            f"{STUDY.systems[wildcards.system]}"
        ),
    message:
        "Hypnograms: {wildcards.database}, {wildcards.window}, {wildcards.channels}, "
        "{wildcards.system}"
    script:
        "../workflow_scripts/hypnograms.py"


use rule hypnograms as hypnogram with:
    output:
        report(
            f"{paths.HYPNOGRAMS}/{{night}}.svg",
            caption="../captions/hypnogram.rst",
            category="Hypnograms",
            labels=labels_of("{night}", system="{system}"),
        ),
        f"{paths.HYPNOGRAMS}/{{night}}.png",
    log:
        f"logs/figures/{paths.HYPNOGRAMS}/{{night}}.log",
    wildcard_constraints:
        night=rf"(?!({'|'.join(PICKS)})\.)[^/]+",
