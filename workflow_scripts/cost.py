from pathlib import Path

from xsleep.core.console import job
from xsleep.results import cost, formatting, table2
from xsleep.results.figures import cost as figure

with job(snakemake.log[0], snakemake.input):
    folders = [Path(record).parent for record in snakemake.input.runs]
    table = cost.cost(folders, table2.read_csv(snakemake.input.table2))
    simulated = snakemake.params.simulated
    formatting.write_csv(snakemake.output.csv, formatting.noted(table, simulated))
    figure.draw(table, Path(snakemake.output.svg).with_suffix(""), simulated)
