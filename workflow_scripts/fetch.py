from pathlib import Path

from xsleep.config.databases import Source
from xsleep.core.console import job
from xsleep.preparation.jobs import fetch_recordings

with job(snakemake.log[0]) as report:
    fetch_recordings(Source(**snakemake.params.source), Path(snakemake.output[0]), report)
