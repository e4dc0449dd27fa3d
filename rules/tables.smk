from types import SimpleNamespace

# The addresses of the runs of Table 2, from scratch and finetuned as a whole, and their folders.
SCRATCH_RUNS = [run for database in WORKFLOW.databases for run in runs(database)]
FINETUNED_RUNS = [
    run
    for network in WORKFLOW.finetuned
    if PLANNING or all(database not in ABSENT for database in SOURCE_DATABASES)
    for run in transfers(network.removeprefix("FT-"), "all")
    if run["address"]["database"] in WORKFLOW.databases
    if run["address"]["channels"] == run["source_channels"]
]
# The network that each finetuned run goes on from.
PRETRAINED_MODELS = [
    pretrained(SimpleNamespace(**run, **run["address"])) for run in FINETUNED_RUNS
]
TABLE2_FOLDERS = [
    *map(run_path, SCRATCH_RUNS),
    *(run["folder"] for run in FINETUNED_RUNS),
]
TABLE2_RUNS = SCRATCH_RUNS + [
    run["address"] | {"system": f"FT-{run['network']}"} for run in FINETUNED_RUNS
]
# Names by what they are in an address.
TABLE2_SYSTEMS = SYSTEMS | {name: name for name in WORKFLOW.finetuned}


def not_run(wildcards):
    """Why each database, or system, of which Table 2 has nothing measured was not run."""
    reasons = {
        system: f"no recordings to pretrain on: {ABSENT[database]}"
        for system in WORKFLOW.finetuned
        for database in SOURCE_DATABASES
        if database in ABSENT
    }
    for path in sorted((CONFIG / "databases").glob("*.yaml")):
        if path.stem in LEFT_OUT:
            reasons[path.stem] = f"no data here: {LEFT_OUT[path.stem]}"
        elif path.stem not in WORKFLOW.databases:
            reasons[path.stem] = not_selected(path.stem)
    return reasons


def not_selected(database):
    """What Table 2 says of a database that is not selected."""
    changes = config.get("database_settings", {})
    try:
        source = xsleep_settings.database(database, changes, CONFIG).source
    except InputError as error:
        return str(error)
    if source.fetch or any(source.folder.glob("*")):
        return "not configured"
    apply = f", licence: apply for access at {source.apply}" if source.apply else ""
    return f"not configured; no data in {source.folder}{apply}"


rule table2:
    input:
        predictions=[f"{folder}/predictions.h5" for folder in TABLE2_FOLDERS],
        recordings=RECORDINGS,
    output:
        csv=report(
            "results/table2.csv",
            caption="../captions/table2.rst",
            category="Tables",
            labels={"table": "Table 2", "format": "CSV"},
        ),
        html=report(
            "results/table2.html",
            caption="../captions/table2.rst",
            category="Tables",
            labels={"table": "Table 2", "format": "HTML"},
        ),
        tex="results/table2.tex",
    log:
        "logs/table2.log",
    conda:
        "../environment.yml"
    params:
        databases=list(WORKFLOW.databases),
        runs=TABLE2_RUNS,
        systems=TABLE2_SYSTEMS,
        not_run=not_run,
    message:
        "Table 2"
    script:
        "../workflow_scripts/table2.py"
