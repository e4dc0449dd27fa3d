from pathlib import Path

from xsleep.core.console import job
from xsleep.networks.importing import import_weights

with job(snakemake.log[0], snakemake.input) as report:
    report(import_weights(Path(snakemake.params.weights), Path(snakemake.output[0])))
