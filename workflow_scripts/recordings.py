import sys

from xsleep.core.console import job
from xsleep.core.files import write_csv
from xsleep.databases import source_of
from xsleep.results import inventory
from xsleep.store.recordings import read_index

with job(snakemake.log[0], snakemake.input) as report:
    database, path = snakemake.wildcards.database, snakemake.output[0]
    source, windows = source_of(**snakemake.params.source), snakemake.params.windows
    infos = [stored.info for stored in read_index(snakemake.input[0]).values()]
    table = inventory.recordings(database, source, windows, infos)
    write_csv(path, table)
    skipped = list(filter(None, table["skipped"]))
    for reason in skipped:
        report(f"skipped: {reason}")
    for count, what in (
        (len(skipped), f"skipped, see {path}"),
        ((table["warnings"] != "").sum(), f"have warnings, see the column warnings of {path}"),
    ):
        if count:
            print(f"{database}: {count} of {len(table)} recordings {what}", file=sys.stderr)
