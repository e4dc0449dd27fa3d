from pathlib import Path

from xsleep import tables
from xsleep.console import job
from xsleep.figures import fig4

with job(snakemake.log[0]):
    fig4.draw(tables.read_csv(snakemake.input[0]), Path(snakemake.output.svg).with_suffix(""))
