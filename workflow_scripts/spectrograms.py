from pathlib import Path

from xsleep import pipeline
from xsleep.console import job

with job(snakemake.log[0]):
    pipeline.prepare_spectrograms(Path(snakemake.input[0]), Path(snakemake.output[0]))
