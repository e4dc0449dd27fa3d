import sys
from pathlib import Path

from xsleep.core.console import job
from xsleep.databases import source_of
from xsleep.external import jobs

with job(snakemake.log[0], snakemake.input) as report:
    given, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    remarks = jobs.make(
        wildcards.kind,
        params.settings,
        jobs.Case(
            Path(given.index),
            Path(given.recordings),
            Path(given.folds),
            source_of(**params.source),
            window=wildcards.window,
            channels=tuple(wildcards.channels.split("-")),
        ),
        Path(snakemake.output.predictions),
    )
    for line in remarks:
        report(line)
        print(f"{params.name}: {line}", file=sys.stderr)
