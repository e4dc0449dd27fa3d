import sys
from pathlib import Path

from xsleep.config.network import Filtering
from xsleep.core.console import job
from xsleep.databases import source_of
from xsleep.preparation.jobs import prepare

SHOWN = 20
"""Lines of a batch that are shown; all are in the log."""

with job(snakemake.log[0]) as report:
    nights = prepare(
        source_of(**snakemake.params.source),
        snakemake.params.channels,
        Filtering(**snakemake.params.filtering),
        snakemake.params.recordings,
        epochs=Path(snakemake.params.epochs),
        spectrograms=Path(snakemake.params.spectrograms),
        index=Path(snakemake.output[0]),
        seen=Path(snakemake.params.seen),
        report=report,
    )
    told = [f"skipped {night.recording}: {night.skipped}" for night in nights if night.skipped]
    told += [f"warning: {remark}" for night in nights for remark in night.remarks]
    for line in told[:SHOWN]:
        print(line, file=sys.stderr)
    if len(told) > SHOWN:
        print(f"... and {len(told) - SHOWN} more, see {snakemake.log[0]}", file=sys.stderr)
