import sys
from pathlib import Path

from xsleep.config.network import Filtering
from xsleep.core.console import job
from xsleep.databases import source_of
from xsleep.preparation.jobs import prepare

SHOWN = 20
"""Lines of a batch that are shown; all are in the log."""

with job(snakemake.log[0], snakemake.input) as report:
    prepared = prepare(
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
    told = [f"skipped {info.recording}: {info.skipped}" for info in prepared if info.skipped]
    told += [f"warning: {remark}" for info in prepared for remark in info.remarks]
    if len(told) > SHOWN:
        told[SHOWN:] = [f"... and {len(told) - SHOWN} more, see {snakemake.log[0]}"]
    for line in told:
        print(line, file=sys.stderr)
