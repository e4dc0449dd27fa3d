# Networks that are pretrained on a source, and finetuned on a target.
import re

from xsleep.config.names import AUTHORS as AUTHORS_NAME, STRATEGIES
from itertools import product

TRANSFER = "results/transfer/{source}/{source_channels}/{strategy}{subjects}"
# The databases that a network is pretrained on, in a path.
SOURCE = "+".join(WORKFLOW.source)
PRETRAINED = f"results/pretraining/{SOURCE}/{{source_channels}}"


wildcard_constraints:
    source=re.escape(SOURCE),
    source_channels="|".join(ChannelSet.__args__),
    strategy="|".join(map(re.escape, STRATEGIES)),
    subjects=r"(-subjects-\d+)?",


# Of the networks that are transferred. What the authors' were trained with is in their files, but
# for the filter, which is that of the default settings.
AUTHORS = SOURCE == AUTHORS_NAME
SOURCE_DATABASES = () if AUTHORS else WORKFLOW.source
# Databases that are pooled are filtered and trained as the first of them.
SOURCE_PRESET = WORKFLOW.presets["released"] if AUTHORS else preset(WORKFLOW.source[0])
SOURCE_WINDOWS = {
    database: WORKFLOW.sources[database].windows[0] for database in SOURCE_DATABASES
}
SOURCE_INDEXES = [
    index_of(database, SOURCE_PRESET.network) for database in SOURCE_DATABASES
]


def pretrained(wildcards):
    """Input function: the network that a run goes on from."""
    folder = PRETRAINED.format(source_channels=wildcards.source_channels)
    if AUTHORS:
        return f"{folder}/model.safetensors"
    system = systems.registry()[SYSTEMS[wildcards.system]].transfer.pretrained
    return f"{folder}/{system}/seed-{wildcards.seed}/model.safetensors"


def pretraining(system):
    """What a network is pretrained with."""
    return {
        "system": system,
        "network": SOURCE_PRESET.network.model_dump(mode="json"),
        "training": SOURCE_PRESET.training_of(system).model_dump(mode="json"),
    }


def authors_weights(wildcards):
    """Input function: the file of a released network; one that is missing is for the job to name."""
    path = WORKFLOW.transfer.weights[wildcards.source_channels]
    return path if path.exists() else []


def transfers(network, strategy, subjects=None):
    """The runs that finetune a network by a strategy, on so many training subjects of each fold or
    on all: what they are, with their addresses and folders."""
    system = systems.transferred()[network].name
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
