FIG5 = "results/figures/fig5/{database}/{window}/{channels}"

# Losses and weights are shown for the first seed and fold, of the systems that blend.
BLENDING = [slug for slug in SELECTED if slug.startswith("XSleepNet")]

FIGURES = [
    f"{stem}.{suffix}"
    for stem in [
        "results/figures/fig4",
        *dict.fromkeys(
            FIG5.format(**run)
            for database in WORKFLOW.databases
            for run in runs(database, BLENDING)
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
        ),
        png="results/figures/fig4.png",
    log:
        "logs/figures/fig4.log",
    conda:
        "../environment.yml"
    message:
        "Fig. 4"
    script:
        "../workflow_scripts/fig4.py"


rule fig5:
    input:
        first_histories(BLENDING),
    output:
        svg=report(f"{FIG5}.svg", caption="../captions/fig5.rst", category="Figures"),
        png=f"{FIG5}.png",
    log:
        f"logs/figures/{FIG5}.log",
    conda:
        "../environment.yml"
    params:
        systems=[SYSTEMS[slug] for slug in BLENDING],
        title=f"{{database}}, {{window}}, {{channels}}: seed {WORKFLOW.seeds[0]}, fold 1",
    message:
        "Fig. 5: {wildcards.database}, {wildcards.window}, {wildcards.channels}"
    script:
        "../workflow_scripts/fig5.py"
