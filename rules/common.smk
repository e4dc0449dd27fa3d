import gc
import re
from pathlib import Path

from xsleep import folds as fold_tables
from xsleep import settings as xsleep_settings
from xsleep.errors import InputError

# A plan is millions of objects that stay. Going through them as often as Python does, for those that
# may go, takes a twelfth of the time.
gc.set_threshold(100_000)

CONFIG = Path(workflow.basedir) / "config"
try:
    WORKFLOW = xsleep_settings.load(config, CONFIG)
except InputError as error:
    raise WorkflowError(str(error)) from None

# Names as in Table 2; a path has a hyphen where the name has a space.
SYSTEMS = {
    system.replace(" ", "-"): system for system in xsleep_settings.System.__args__
}
SELECTED = [slug for slug, system in SYSTEMS.items() if system in WORKFLOW.systems]

# Where epochs and spectrograms are stored, by what the signals are filtered with.
STORES = {"band-pass": "data", "none": "data/unfiltered"}
# What is known of all recordings of a database. Jobs that read the store depend on this one file in
# place of some ten thousand, which plans and starts them in seconds.
INDEX = "{store}/index/{database}/all.h5"

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


wildcard_constraints:
    store="data(/unfiltered)?",
    root="|".join(ROOTS),
    database="|".join(re.escape(database) for database in WORKFLOW.sources),
    batch="[^/]+",
    window="[^/]+",
    channels="|".join(xsleep_settings.ChannelSet.__args__),
    system="|".join(re.escape(system) for system in SYSTEMS),
    seed=r"\d+",
    fold=r"\d+",


def folds_of(database):
    """The numbers of a database's folds."""
    return range(1, 1 + fold_tables.count(database, WORKFLOW.sources[database].folds))


def preset(database, difference=""):
    """The hyper-parameters of a database, or these with one difference as in the paper."""
    plain = WORKFLOW.presets[WORKFLOW.sources[database].preset]
    return (
        plain.switched(difference, WORKFLOW.presets["paper"]) if difference else plain
    )


def index_of(database, raw_filter=None):
    """The index of the store of a filter; by default that which the database's own preset reads."""
    raw_filter = raw_filter or preset(database).network.raw_filter
    return INDEX.format(store=STORES[raw_filter], database=database)


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


def run_path(run, difference=""):
    """The folder of a run."""
    root = f"results/ablation/{difference}" if difference else "results"
    return RUN.format(root=root, **run)


def index(wildcards):
    """Input function: of the store that a run reads, or without a run the database's own preset."""
    if wildcards.get("root", "").startswith("results/transfer/"):
        raw_filter = SOURCE_FILTER
    else:
        raw_filter = run_preset(wildcards).network.raw_filter
    return index_of(wildcards.database, raw_filter)


def labels_of(figure, case=True, **more):
    """What the report tells figures apart by; one that is of all cases says so."""
    names = ("database", "window", "channels")
    values = {name: f"{{{name}}}" if case else "all" for name in names}
    return {"figure": figure, **values, **more}


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
