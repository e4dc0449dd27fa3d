from pathlib import Path

from xsleep.core.console import job
from xsleep.databases import source_of
from xsleep.preparation.jobs import fetch_recordings

with job(snakemake.log[0], snakemake.input) as report:
    fetch_recordings(source_of(**snakemake.params.source), Path(snakemake.output[0]), report)
