import sys

from xsleep.core.console import job
from xsleep.core.files import write_csv
from xsleep.databases import source_of
from xsleep.results import inventory
from xsleep.store.recordings import read_index

with job(snakemake.log[0]) as report:
    table = inventory.recordings(
        snakemake.wildcards.database,
        source_of(**snakemake.params.source),
        snakemake.params.windows,
        [stored.info for stored in read_index(snakemake.input[0]).values()],
    )
    write_csv(snakemake.output[0], table)
    skipped = [reason for reason in table["skipped"] if reason]
    for reason in skipped:
        report(f"skipped: {reason}")
    if skipped:
        print(
            f"{snakemake.wildcards.database}: {len(skipped)} of {len(table)} recordings skipped, "
            f"see {snakemake.output[0]}",
            file=sys.stderr,
        )
    if warned := int((table["warnings"] != "").sum()):
        print(
            f"{snakemake.wildcards.database}: {warned} of {len(table)} recordings have warnings, "
            f"see the column warnings of {snakemake.output[0]}",
            file=sys.stderr,
        )
