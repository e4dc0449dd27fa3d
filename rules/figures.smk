CASE = "{database}/{window}/{channels}"
FIG1, FIG5, FIG6 = (f"results/figures/fig{number}/{CASE}" for number in (1, 5, 6))
SUBJECTS = f"results/figures/subjects/{CASE}"
CALIBRATION = f"results/figures/calibration/{CASE}"
# A night is drawn by the name of its recording on demand: HYPNOGRAMS/SC4001E0.svg.
HYPNOGRAMS = f"results/figures/hypnograms/{CASE}/{{system}}"
PICKS = ["best", "median", "worst"]

# Losses and weights are shown of the first seed and fold, of the paper's systems.
BLENDING = [slug for slug in SELECTED if slug in ("XSleepNet1", "XSleepNet2")]
SINGLE_VIEW = [slug for slug in SELECTED if slug in ("ARNN+RNN", "FCNN+RNN")]
MULTI_VIEW = [slug for slug in SELECTED if slug in (*BLENDING, "Naive-Fusion")]
LEARNING = [*SINGLE_VIEW, *MULTI_VIEW]

CASES = dict.fromkeys(CASE.format(**run) for run in SCRATCH_RUNS)
FIGURES = [
    f"results/figures/{stem}.{suffix}"
    for stem in [
        *(f"fig1/{case}" for case in CASES if MULTI_VIEW),
        "fig4",
        *(f"fig5/{case}" for case in CASES if BLENDING),
        *(f"fig6/{case}" for case in CASES if LEARNING),
        # over both single views
        *(["gain"] if len(SINGLE_VIEW) == 2 and MULTI_VIEW else []),
        *(
            f"{figure}/{case}"
            for case in dict.fromkeys(CASE.format(**run) for run in TABLE2_RUNS)
            for figure in ("subjects", "calibration")
        ),
        # of each database's first window and channel set, by the first system
        *(
            f"hypnograms/{CASE.format(**run)}/{run['system']}/{pick}"
            for database in WORKFLOW.databases
            for run in runs(database, SELECTED[:1])[:1]
            for pick in PICKS
        ),
    ]
    for suffix in ("svg", "png")
]


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
    conda:
        "../environment.yml"
    message:
        "Fig. 4"
    script:
        "../workflow_scripts/performance.py"


rule fig5:
    input:
        first_histories(LEARNING),
    output:
        svg=report(
            f"{FIG5}.svg",
            caption="../captions/fig5.rst",
            category="Figures",
            labels=labels_of("Fig. 5"),
        ),
        png=f"{FIG5}.png",
    log:
        f"logs/figures/{FIG5}.log",
    conda:
        "../environment.yml"
    params:
        systems=[SYSTEMS[slug] for slug in LEARNING],
        title=f"{{database}}, {{window}}, {{channels}}: seed {WORKFLOW.seeds[0]}, fold 1",
    message:
        "Fig. 5: {wildcards.database}, {wildcards.window}, {wildcards.channels}"
    script:
        "../workflow_scripts/learning.py"


use rule fig5 as fig1 with:
    output:
        svg=report(
            f"{FIG1}.svg",
            caption="../captions/fig1.rst",
            category="Figures",
            labels=labels_of("Fig. 1(b), (d)"),
        ),
        png=f"{FIG1}.png",
    log:
        f"logs/figures/{FIG1}.log",
    message:
        "Fig. 1(b), (d): {wildcards.database}, {wildcards.window}, {wildcards.channels}"


use rule fig5 as fig6 with:
    output:
        svg=report(
            f"{FIG6}.svg",
            caption="../captions/fig6.rst",
            category="Figures",
            labels=labels_of("Fig. 6"),
        ),
        png=f"{FIG6}.png",
    log:
        f"logs/figures/{FIG6}.log",
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
    conda:
        "../environment.yml"
    message:
        "Gain of both views over one"
    script:
        "../workflow_scripts/performance.py"


rule reliability:
    input:
        predictions=lambda wildcards: [
            f"{folder}/predictions.h5"
            for run, folder in zip(TABLE2_RUNS, TABLE2_FOLDERS, strict=True)
            if is_of(run, wildcards)
        ],
        recordings="results/{database}/recordings.csv",
    output:
        subjects=report(
            f"{SUBJECTS}.svg",
            caption="../captions/subjects.rst",
            category="Figures",
            labels=labels_of("Subjects"),
        ),
        calibration=report(
            f"{CALIBRATION}.svg",
            caption="../captions/calibration.rst",
            category="Figures",
            labels=labels_of("Calibration"),
        ),
        png=[f"{SUBJECTS}.png", f"{CALIBRATION}.png"],
    log:
        f"logs/figures/reliability/{CASE}.log",
    conda:
        "../environment.yml"
    params:
        runs=lambda wildcards: [run for run in TABLE2_RUNS if is_of(run, wildcards)],
        systems=TABLE2_SYSTEMS,
        title="{database}, {window}, {channels}",
    message:
        "Accuracy by subject, and calibration: {wildcards.database}, {wildcards.window}, "
        "{wildcards.channels}"
    script:
        "../workflow_scripts/reliability.py"


rule hypnograms:
    input:
        predictions=lambda wildcards: [
            f"{run_path(run)}/predictions.h5"
            for run in SCRATCH_RUNS
            if is_of(run, wildcards)
        ],
        recordings="results/{database}/recordings.csv",
        index=index,
    output:
        *[
            report(
                f"{HYPNOGRAMS}/{pick}.svg",
                caption="../captions/hypnogram.rst",
                category="Hypnograms",
                labels=labels_of(f"{pick} night", system="{system}"),
            )
            for pick in PICKS
        ],
        [f"{HYPNOGRAMS}/{pick}.png" for pick in PICKS],
    log:
        f"logs/figures/{HYPNOGRAMS}.log",
    conda:
        "../environment.yml"
    params:
        runs=lambda wildcards: [run for run in SCRATCH_RUNS if is_of(run, wildcards)],
        systems=SYSTEMS,
        title=lambda wildcards: (
            f"{wildcards.database}, {wildcards.window}, {wildcards.channels}, "
            f"{SYSTEMS[wildcards.system]}"
        ),
    message:
        "Hypnograms: {wildcards.database}, {wildcards.window}, {wildcards.channels}, "
        "{wildcards.system}"
    script:
        "../workflow_scripts/hypnograms.py"


use rule hypnograms as hypnogram with:
    output:
        report(
            f"{HYPNOGRAMS}/{{night}}.svg",
            caption="../captions/hypnogram.rst",
            category="Hypnograms",
            labels=labels_of("{night}", system="{system}"),
        ),
        f"{HYPNOGRAMS}/{{night}}.png",
    log:
        f"logs/figures/{HYPNOGRAMS}/{{night}}.log",
    wildcard_constraints:
        night=rf"(?!({'|'.join(PICKS)})\.)[^/]+",
