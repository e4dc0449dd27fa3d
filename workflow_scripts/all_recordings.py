import pandas as pd

from xsleep.core.console import job
from xsleep.results import inventory

with job(snakemake.log[0]):
    table = pd.concat([inventory.read_csv(path) for path in snakemake.input])
    inventory.write_csv(table, snakemake.output[0])
