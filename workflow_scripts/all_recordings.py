import pandas as pd

from xsleep.core.console import job
from xsleep.core.files import read_table, write_csv

with job(snakemake.log[0], snakemake.input):
    table = pd.concat([read_table(path) for path in snakemake.input])
    write_csv(snakemake.output[0], table)
