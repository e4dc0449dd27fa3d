# The databases whose recordings are here, or can be had, and where they are.
import sys

from xsleep.databases import missing, open_database
from xsleep.databases.fetch.servers import RECORDINGS_LISTED, list_files

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
        raise InputError(f"{error}{source.where_to_apply}") from None
    if TO_FETCH[database]:
        Path(FETCHED.format(database=database)).unlink(missing_ok=True)
    return {entry.name: entry for entry in entries}


# Databases of which no recording is here, and why. Of what is scored zero-shot or transferred it is
# for the job that reads it to say so; those of Table 2 are left out of it, if others are there.
ENTRIES, ABSENT = {}, {}
for database in WORKFLOW.sources:
    try:
        ENTRIES[database] = database_entries(database)
    except InputError as error:
        ENTRIES[database], ABSENT[database] = {}, str(error)
there = {d: s for d, s in WORKFLOW.databases.items() if d not in ABSENT or PLANNING}
if not there:
    raise WorkflowError(ABSENT[next(iter(WORKFLOW.databases))])
LEFT_OUT = {d: ABSENT[d] for d in WORKFLOW.databases if d not in there}
WORKFLOW = WORKFLOW.model_copy(update={"databases": there})

# What is known of every recording, and whether it is used.
RECORDINGS = expand("results/{database}/recordings.csv", database=WORKFLOW.databases)
INDEXES = [index_of(database) for database in WORKFLOW.databases]
SIMULATED = [
    database
    for database, settings in WORKFLOW.sources.items()
    if settings.source.reader == "simulated"
]


def source_params(wildcards):
    """Where the recordings of a database are; how they got there changes nothing."""
    source = WORKFLOW.sources[wildcards.database].source
    return source.model_dump(mode="json", exclude={"fetch", "apply"})
