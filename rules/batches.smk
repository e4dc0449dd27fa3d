# What a job prepares, and where it is stored.
import math
import os
from functools import cache

from xsleep import store

EPOCHS = "{store}/epochs/{database}"
SPECTROGRAMS = "{store}/spectrograms/{database}"
BATCH_INDEX = "{store}/index/{database}/batches/{batch}.h5"

# Snakemake takes milliseconds for every job, and a database may have thousands of recordings.
MOST_BATCHES = 100


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
