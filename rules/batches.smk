# What a job prepares, and where it is stored.
import hashlib
import math
import re
from functools import cache

from xsleep.preparation import jobs
from xsleep.store.recordings import FORMAT_VERSION

EPOCHS = "{store}/epochs/{database}"
SPECTROGRAMS = "{store}/spectrograms/{database}"
BATCH_INDEX = "{store}/index/{database}/batches/{batch}.h5"
# What the files of a batch held when they were last looked at; it may be deleted.
SEEN = ".snakemake/xsleep/{store}/{database}/{batch}.json"

# Snakemake takes milliseconds for every job, and a database may have thousands of recordings.
MOST_BATCHES = 100
# Characters of a batch's name that are the recording's.
PLAIN_NAME = 19


def made(wildcards):
    """Input function: the files of a batch that the workflow makes; others are fetched first.

    Files of people's own are no inputs. Snakemake would go by their time stamps, where it matters
    what they hold, and takes braces in their names for wildcards.
    """
    if TO_FETCH[wildcards.database]:
        checkpoints.fetch.get(database=wildcards.database)
    if wildcards.database not in SIMULATED:
        return []
    entries = ENTRIES[wildcards.database]
    return [path for name in batch(wildcards) for path in entries[name].files]


@cache
def batches(database):
    """The recordings that one job prepares, by the first of them."""
    names = list(ENTRIES[database])
    size = math.ceil(len(names) / MOST_BATCHES)
    return {
        as_path(first): names[start : start + size]
        for start, first in enumerate(names)
        if start % size == 0
    }


def as_path(name):
    """A short name without characters that Snakemake or a shell gives a meaning of their own.

    Snakemake takes a name that ends in many equal characters for a rule that goes in circles.
    """
    plain = re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII)[:PLAIN_NAME]
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return plain if plain == name else f"{plain}-{digest}"


@cache
def content(store, database, batch):
    """Fingerprint of the files of a batch; it changes where what is stored was made of others."""
    if database in SIMULATED:
        return ""
    place = dict(store=store, database=database, batch=batch)
    return jobs.content(
        WORKFLOW.sources[database].source.folder,
        [ENTRIES[database][name] for name in batches(database)[batch]],
        Path(BATCH_INDEX.format(**place)),
        Path(SEEN.format(**place)),
    )


def batch(wildcards):
    """The recordings of a batch."""
    return batches(wildcards.database)[wildcards.batch]
