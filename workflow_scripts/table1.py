from xsleep.core.console import job
from xsleep.core.files import write_csv
from xsleep.results import formatting, inventory

with job(snakemake.log[0], snakemake.input):
    databases = snakemake.params.databases
    described = {name: inventory.Described(**databases[name]) for name in databases}
    table = inventory.table1(described, snakemake.input.indexes, snakemake.input.recordings)
    write_csv(snakemake.output[0], formatting.noted(table, snakemake.params.simulated))
