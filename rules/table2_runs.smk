from collections import Counter
from types import SimpleNamespace

from xsleep.config.workflow import database as read_database
from xsleep.results.published import FINETUNED_BY

# The addresses of the runs of Table 2, from scratch and finetuned, and their folders.
SCRATCH_RUNS = [run for database in WORKFLOW.databases for run in runs(database)]
FINETUNED_RUNS = [
    run
    for network in WORKFLOW.finetuned
    if PLANNING or all(database not in ABSENT for database in SOURCE_DATABASES)
    for run in transfers(network.removeprefix("FT-"), FINETUNED_BY[network])
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
        source = read_database(database, changes, CONFIG).source
    except InputError as error:
        return str(error)
    if source.fetch or any(source.folder.glob("*")):
        return "not configured"
    apply = f", licence: apply for access at {source.apply}" if source.apply else ""
    return f"not configured; no data in {source.folder}{apply}"


def planned_runs():
    """The runs of Table 2 that are alike but for fold and seed, and how many they are."""
    found = [("train", run) for run in SCRATCH_RUNS]
    pretrained_before = set()
    for run, model in zip(FINETUNED_RUNS, PRETRAINED_MODELS):
        # Once for all folds and targets.
        if not AUTHORS and model not in pretrained_before:
            pretrained_before.add(model)
            first = systems.transferred()[run["network"]].transfer.pretrained
            what = dict(channels=run["source_channels"], system=first)
            found.append(("pretrain", dict(database=SOURCE, window="", **what)))
        found.append(("finetune", run["address"]))
    keys = ("database", "window", "channels")
    return Counter(
        (stage, *map(run.get, keys), SYSTEMS[run["system"]]) for stage, run in found
    )
