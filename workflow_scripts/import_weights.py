from pathlib import Path

from xsleep.console import job
from xsleep.importing import import_weights

with job(snakemake.log[0]) as report:
    report(import_weights(Path(snakemake.params.weights), Path(snakemake.output[0])))
