ALL_RUNS = [run for database in WORKFLOW.databases for run in runs(database)]


def not_run(wildcards):
    """Why each database that is not selected was not run."""
    folder = Path(workflow.basedir) / "config"
    reasons = {}
    for path in sorted((folder / "databases").glob("*.yaml")):
        if path.stem in WORKFLOW.databases:
            continue
        selected = {**config, "databases": [path.stem], "ablation": {}}
        try:
            source = xsleep_settings.load(selected, folder).databases[path.stem].source
        except InputError as error:
            reasons[path.stem] = str(error)
            continue
        reasons[path.stem] = "not configured"
        if not source.fetch and not any(source.folder.glob("*")):
            reasons[path.stem] += f"; no data in {source.folder}"
            if source.apply:
                reasons[path.stem] += f", licence: apply for access at {source.apply}"
    return reasons


rule table2:
    input:
        predictions=[f"{run_path(run)}/predictions.h5" for run in ALL_RUNS],
        recordings=expand(
            "results/{database}/recordings.csv", database=WORKFLOW.databases
        ),
    output:
        csv=report(
            "results/table2.csv", caption="../captions/table2.rst", category="Tables"
        ),
        html=report(
            "results/table2.html", caption="../captions/table2.rst", category="Tables"
        ),
        tex="results/table2.tex",
    log:
        "logs/table2.log",
    conda:
        "../environment.yml"
    params:
        databases=list(WORKFLOW.databases),
        runs=ALL_RUNS,
        systems=SYSTEMS,
        not_run=not_run,
    message:
        "Table 2"
    script:
        "../workflow_scripts/table2.py"
