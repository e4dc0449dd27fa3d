import gc
import math
import os
import re
import sys
from collections import Counter
from functools import cache
from itertools import product
from pathlib import Path

from xsleep import settings as xsleep_settings
from xsleep import store
from xsleep.databases import missing, open_database
from xsleep.databases.placement import placement
from xsleep.errors import InputError
from xsleep.folds import published_count
from xsleep.servers import RECORDINGS_LISTED, list_files

# A plan is millions of objects that stay. Going through them as often as Python does, for those that
# may go, takes a twelfth of the time.
gc.set_threshold(100_000)

# Says that all files of a database are there; what it said before one went missing does not count.
FETCHED = "data/fetched/{database}.txt"
# Files of each database that are missing and can be fetched.
TO_FETCH = {}
# Whether the costs are asked for, which need no recordings: by a person, or as the job. Snakemake
# itself does not know its targets yet.
PLANNING = "plan" in sys.argv or "plan:" in sys.argv


def database_entries(database):
    source = WORKFLOW.sources[database].source
    try:
        if source.reader in RECORDINGS_LISTED and not PLANNING:
            list_files(
                source, lambda line: print(f"{database}: {line}", file=sys.stderr)
            )
        entries = open_database(source).entries()
        TO_FETCH[database] = missing(source, entries)
    except InputError as error:
        raise InputError(f"{error}{where_to_apply(database)}") from None
    if TO_FETCH[database]:
        Path(FETCHED.format(database=database)).unlink(missing_ok=True)
    return {entry.name: entry for entry in entries}


def where_to_apply(database):
    """The end of a line about files that are missing."""
    address = WORKFLOW.sources[database].source.apply
    return f"; apply for access at {address}" if address else ""


try:
    WORKFLOW = xsleep_settings.load(config, Path(workflow.basedir) / "config")
except InputError as error:
    raise WorkflowError(str(error)) from None

# Databases of which no recording is here, and why. Of what is scored zero-shot or transferred it is
# for the job that reads it to say so; those of Table 2 are left out of it, if others are there.
ENTRIES, ABSENT = {}, {}
for database in WORKFLOW.sources:
    try:
        ENTRIES[database] = database_entries(database)
    except InputError as error:
        ENTRIES[database], ABSENT[database] = {}, str(error)
if not PLANNING:
    there = {d: s for d, s in WORKFLOW.databases.items() if d not in ABSENT}
    if not there:
        raise WorkflowError(ABSENT[next(iter(WORKFLOW.databases))])
    LEFT_OUT = {d: ABSENT[d] for d in WORKFLOW.databases if d in ABSENT}
    WORKFLOW = WORKFLOW.model_copy(update={"databases": there})
else:
    LEFT_OUT = {}

SIMULATED = [
    database
    for database, settings in WORKFLOW.sources.items()
    if settings.source.reader == "simulated"
]

# Names as in Table 2; a path has a hyphen where the name has a space.
SYSTEMS = {
    system.replace(" ", "-"): system for system in xsleep_settings.System.__args__
}
SELECTED = [slug for slug, system in SYSTEMS.items() if system in WORKFLOW.systems]

# Where epochs and spectrograms are stored, by what the signals are filtered with.
STORES = {"band-pass": "data", "none": "data/unfiltered"}
EPOCHS = "{store}/epochs/{database}"
SPECTROGRAMS = "{store}/spectrograms/{database}"
# What is known of all recordings of a database. Jobs that read the store depend on this one file in
# place of some ten thousand, which plans and starts them in seconds.
INDEX = "{store}/index/{database}/all.h5"
BATCH_INDEX = "{store}/index/{database}/batches/{batch}.h5"

# Snakemake takes milliseconds for every job, and a database may have thousands of recordings.
MOST_BATCHES = 100

# The root is results; where a difference to the paper is switched, results/ablation/DIFFERENCE;
# where a run is trained again to be compared, RETRAINED; and where a network is finetuned, TRANSFER.
ADDRESS = "{database}/{window}/{channels}/{system}/seed-{seed}/fold-{fold}"
RUN = f"{{root}}/{ADDRESS}"
RETRAINED = "results/audit/retrained"
ROOTS = [
    "results",
    *(f"results/ablation/{difference}" for difference in xsleep_settings.DIFFERENCES),
    RETRAINED,
    "results/transfer/.+",
]
TRANSFER = "results/transfer/{source}/{source_channels}/{strategy}{subjects}"
# The databases that a network is pretrained on, in a path.
SOURCE = "+".join(WORKFLOW.source)
PRETRAINED = f"results/pretraining/{SOURCE}/{{source_channels}}"


wildcard_constraints:
    store="data(/unfiltered)?",
    root="|".join(ROOTS),
    source=re.escape(SOURCE),
    source_channels="|".join(xsleep_settings.ChannelSet.__args__),
    strategy="|".join(map(re.escape, xsleep_settings.STRATEGIES)),
    subjects=r"(-subjects-\d+)?",
    database="|".join(re.escape(database) for database in WORKFLOW.sources),
    batch="[^/]+",
    window="[^/]+",
    channels="|".join(xsleep_settings.ChannelSet.__args__),
    system="|".join(re.escape(system) for system in SYSTEMS),
    seed=r"\d+",
    fold=r"\d+",


def labels_of(figure, case=True, **more):
    """What the report tells figures apart by; one that is of all cases says so."""
    names = ("database", "window", "channels")
    values = {name: f"{{{name}}}" if case else "all" for name in names}
    return {"figure": figure, **values, **more}


def folds_of(database):
    """The numbers of a database's folds."""
    folds = WORKFLOW.sources[database].folds
    count = published_count(database) if folds == "published" else folds.folds
    return range(1, count + 1)


def preset(database, difference=""):
    """The hyper-parameters of a database, or these with one difference as in the paper."""
    plain = WORKFLOW.presets[WORKFLOW.sources[database].preset]
    return (
        plain.switched(difference, WORKFLOW.presets["paper"]) if difference else plain
    )


def run_preset(wildcards):
    """The hyper-parameters of a run; without one, those of the database."""
    return preset(
        wildcards.database, wildcards.get("root", "").partition("/ablation/")[2]
    )


def growing(resource):
    """Memory or minutes of a run as its preset says, and as much more at each further attempt."""
    return lambda wildcards, attempt: attempt * getattr(
        run_preset(wildcards).resources, resource
    )


def training_settings(wildcards, finetuning=False):
    """Settings of a run's training, with what differs for its system."""
    return run_preset(wildcards).training_of(SYSTEMS[wildcards.system], finetuning)


def source_params(wildcards):
    """Where the recordings of a database are; how they got there changes nothing."""
    source = WORKFLOW.sources[wildcards.database].source
    return source.model_dump(mode="json", exclude={"fetch", "apply"})


def available(database, recording):
    """The files of a recording that are there, after fetching, or that the workflow makes."""
    if TO_FETCH[database]:
        checkpoints.fetch.get(database=database)
    files = ENTRIES[database][recording].files
    if database in SIMULATED:
        return files
    return [path for path in files if os.access(path, os.R_OK)]


@cache
def batches(database):
    """The recordings that one job prepares, by the first of them."""
    names = list(ENTRIES[database])
    size = math.ceil(len(names) / MOST_BATCHES)
    return {
        first: names[start : start + size]
        for start, first in enumerate(names)
        if start % size == 0
    }


def batch(wildcards):
    """The recordings of a batch."""
    return batches(wildcards.database)[wildcards.batch]


# Of the networks that are transferred. What the authors' were trained with is in their files, but
# for the filter, which is that of the default settings.
AUTHORS = SOURCE == xsleep_settings.AUTHORS
SOURCE_DATABASES = () if AUTHORS else WORKFLOW.source
SOURCE_PRESET = WORKFLOW.presets["released"] if AUTHORS else preset(WORKFLOW.source[0])
SOURCE_FILTER = SOURCE_PRESET.network.raw_filter
SOURCE_WINDOWS = {
    database: WORKFLOW.sources[database].windows[0] for database in SOURCE_DATABASES
}
SOURCE_INDEXES = expand(INDEX, store=STORES[SOURCE_FILTER], database=SOURCE_DATABASES)


def pretrained(wildcards):
    """Input function: the network that a run goes on from."""
    folder = PRETRAINED.format(source_channels=wildcards.source_channels)
    if AUTHORS:
        return f"{folder}/model.safetensors"
    system = next(
        first
        for first, then in xsleep_settings.TRANSFERRED.values()
        if then == SYSTEMS[wildcards.system]
    )
    return f"{folder}/{system}/seed-{wildcards.seed}/model.safetensors"


def authors_weights(wildcards):
    """Input function: the file of a released network; one that is missing is for the job to name."""
    path = WORKFLOW.transfer.weights[wildcards.source_channels]
    return path if path.exists() else []


def transfers(network, strategy, subjects=None):
    """The runs that finetune a network by a strategy, on so many training subjects of each fold or
    on all: what they are, with their addresses and folders."""
    system = xsleep_settings.TRANSFERRED[network][1]
    found = []
    for database, channels in product(WORKFLOW.target, WORKFLOW.transfer.channels):
        run = dict(
            network=network,
            source_channels=channels.source,
            strategy=strategy,
            subjects=subjects,
        )
        few = f"-subjects-{subjects}" if subjects else ""
        root = TRANSFER.format(**run | {"source": SOURCE, "subjects": few})
        for seed, fold in product(WORKFLOW.seeds, folds_of(database)):
            address = dict(
                database=database,
                window=WORKFLOW.sources[database].windows[0],
                channels=channels.target,
                system=system,
                seed=seed,
                fold=fold,
            )
            folder = f"{root}/{ADDRESS.format(**address)}"
            found.append(dict(run, address=address, folder=folder))
    return found


def transferred(strategies, subjects):
    """The runs of all networks by these strategies, on so many training subjects or on all."""
    return [
        run
        for network in WORKFLOW.transfer.networks
        for strategy in strategies
        # What trains nothing needs no subjects.
        for count in ([None] if strategy == "direct" else subjects)
        for run in transfers(network, strategy, count)
    ]


def runs(database, systems=SELECTED):
    """The addresses of all runs of a database."""
    settings = WORKFLOW.sources[database]
    return [
        dict(
            database=database,
            window=window,
            channels=channels,
            system=system,
            seed=seed,
            fold=fold,
        )
        for window in settings.windows
        for channels in settings.channels
        for system in systems
        for seed in WORKFLOW.seeds
        for fold in folds_of(database)
    ]


def planned_runs():
    """The runs of Table 2 that are alike but for fold and seed, and how many they are."""
    found = [("train", run) for run in SCRATCH_RUNS]
    for run in FINETUNED_RUNS:
        first, _ = xsleep_settings.TRANSFERRED[run["network"]]
        pretraining = dict(
            database=SOURCE,
            window="",
            channels=run["source_channels"],
            system=first,
        )
        # Once for all folds and targets.
        if not AUTHORS and run["address"]["fold"] == 1:
            if run["address"]["database"] == WORKFLOW.target[0]:
                found.append(("pretrain", pretraining))
        found.append(("finetune", run["address"]))
    keys = ("database", "window", "channels")
    return Counter(
        (stage, *map(run.get, keys), SYSTEMS.get(run["system"], run["system"]))
        for stage, run in found
    )


def run_path(run, difference=""):
    """The folder of a run."""
    root = f"results/ablation/{difference}" if difference else "results"
    return RUN.format(root=root, **run)


def is_of(run, wildcards):
    """Whether a run is of the database, window, ... that wildcards name."""
    return all(run[name] == wildcards[name] for name in run.keys() & wildcards.keys())


def first_histories(systems):
    """Input function: histories of the first seed and fold of these systems."""

    def files(wildcards):
        run = dict(wildcards, seed=WORKFLOW.seeds[0], fold=1)
        return [
            f"{run_path(run | {'system': system})}/history.csv" for system in systems
        ]

    return files


def index(wildcards):
    """Input function: of the store that a run reads, or without a run the database's own preset."""
    if wildcards.get("root", "").startswith("results/transfer/"):
        raw_filter = SOURCE_FILTER
    else:
        raw_filter = run_preset(wildcards).network.raw_filter
    return INDEX.format(store=STORES[raw_filter], database=wildcards.database)


def not_run(wildcards):
    """Why each database, or system, of which Table 2 has nothing measured was not run."""
    folder = Path(workflow.basedir) / "config"
    reasons = {
        system: f"no recordings to pretrain on: {ABSENT[database]}"
        for system in WORKFLOW.finetuned
        for database in SOURCE_DATABASES
        if database in ABSENT
    }
    for path in sorted((folder / "databases").glob("*.yaml")):
        if path.stem in WORKFLOW.databases:
            continue
        if path.stem in LEFT_OUT:
            reasons[path.stem] = f"no data here: {LEFT_OUT[path.stem]}"
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
