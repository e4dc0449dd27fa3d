from pathlib import Path

from xsleep.core.console import job
from xsleep.preparation.jobs import make_index

with job(snakemake.log[0], snakemake.input):
    make_index([Path(path) for path in snakemake.input], Path(snakemake.output[0]))
