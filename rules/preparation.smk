# From recordings to the stores that runs read: epochs, spectrograms, and an index of them.
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


# The files of single recordings are in no rule: what is declared is what is known of them.
rule prepare:
    input:
        # A file that is missing is for the database's reader to name, not for the workflow.
        lambda wildcards: [
            path
            for recording in batch(wildcards)
            for path in available(wildcards.database, recording)
        ],
    output:
        BATCH_INDEX,
    log:
        "logs/preparation/{store}/{database}/{batch}.log",
    benchmark:
        "logs/benchmarks/preparation/{store}/{database}/{batch}.tsv"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        # Minutes: a recording of 24 hours takes seconds.
        runtime=lambda wildcards, attempt: attempt * (10 + len(batch(wildcards))),
    params:
        version=store.VERSION,
        source=source_params,
        channels=lambda wildcards: WORKFLOW.sources[wildcards.database].stored_channels,
        raw_filter=lambda wildcards: next(
            name for name, store in STORES.items() if store == wildcards.store
        ),
        recordings=batch,
        epochs=EPOCHS,
        spectrograms=SPECTROGRAMS,
    message:
        "{wildcards.store}, {wildcards.database}: "
        "epochs and spectrograms from {wildcards.batch} on"
    script:
        "../workflow_scripts/prepare.py"


rule index:
    input:
        lambda wildcards: expand(
            BATCH_INDEX, **wildcards, batch=batches(wildcards.database)
        ),
    output:
        INDEX,
    log:
        "logs/index/{store}/{database}.log",
    conda:
        "../environment.yml"
    message:
        "{wildcards.store}, {wildcards.database}: index"
    script:
        "../workflow_scripts/index.py"
