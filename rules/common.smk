import gc
import re
from functools import cache
from pathlib import Path

from xsleep.preparation import folds as fold_tables
from xsleep import systems
from xsleep.config.network import Filtering
from xsleep.config.presets import DIFFERENCES
from xsleep.config.workflow import load
from xsleep.core.recording import ChannelSet
from xsleep.core.errors import InputError

# A plan is millions of objects that stay. Going through them as often as Python does, for those that
# may go, takes a twelfth of the time.
gc.set_threshold(100_000)

CONFIG = Path(workflow.basedir) / "config"
try:
    WORKFLOW = load(config, CONFIG)
except InputError as error:
    raise WorkflowError(str(error)) from None

# Names as in Table 2, by what they are in a path.
SYSTEMS = {system.slug: name for name, system in systems.registry().items()}
SELECTED = [slug for slug, system in SYSTEMS.items() if system in WORKFLOW.systems]

# What is known of all recordings of a database. Jobs that read the store depend on this one file in
# place of some ten thousand, which plans and starts them in seconds.
INDEX = "{store}/index/{database}/all.h5"


@cache
def preset(database, difference=""):
    """The hyper-parameters of a database, or these with one difference as in the paper."""
    plain = WORKFLOW.preset(database)
    return (
        plain.switched(difference, WORKFLOW.presets["paper"]) if difference else plain
    )


def store_of(network):
    """Where epochs and spectrograms are stored, filtered as a network reads them."""
    named = {Filtering().filter_name: "data", "none": "data/unfiltered"}
    return named.get(network.filter_name, f"data/{network.filter_name}")


# How signals are filtered in each store: as released, or as a preset has it for one of the
# databases, or with a difference switched.
RELEASED = WORKFLOW.presets["released"].network
FILTERINGS = {
    store_of(network): network.model_dump(
        mode="json", include={*Filtering.model_fields}
    )
    for network in [
        RELEASED,
        *(
            preset(database, difference).network
            for database in WORKFLOW.sources
            for difference in ("", "raw_filter", "filter_rate")
        ),
    ]
}

# The root is results; where a difference to the paper is switched, results/ablation/DIFFERENCE;
# where a run is trained again to be compared, RETRAINED; and where a network is finetuned, TRANSFER.
ADDRESS = "{database}/{window}/{channels}/{system}/seed-{seed}/fold-{fold}"
RUN = f"{{root}}/{ADDRESS}"
RETRAINED = "results/audit/retrained"
ROOTS = [
    "results",
    *(f"results/ablation/{difference}" for difference in DIFFERENCES),
    RETRAINED,
    "results/transfer/.+",
]


wildcard_constraints:
    store="|".join(map(re.escape, FILTERINGS)),
    root="|".join(ROOTS),
    database="|".join(re.escape(database) for database in WORKFLOW.sources),
    batch="[^/]+",
    window="[^/]+",
    channels="|".join(ChannelSet.__args__),
    system="|".join(re.escape(system) for system in SYSTEMS),
    seed=r"\d+",
    fold=r"\d+",


def folds_of(database):
    """The numbers of a database's folds."""
    return range(1, 1 + fold_tables.count(database, WORKFLOW.sources[database].folds))


def index_of(database, network=None):
    """The index of the store that a network reads; by default one of the database's own preset."""
    network = network or preset(database).network
    return INDEX.format(store=store_of(network), database=database)


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
        network = SOURCE_PRESET.network
    else:
        network = run_preset(wildcards).network
    return index_of(wildcards.database, network)


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


def as_text(value):
    """A setting's value; of one for each channel, these."""
    if isinstance(value, dict):
        return ", ".join(f"{channel}: {one}" for channel, one in value.items())
    return value
