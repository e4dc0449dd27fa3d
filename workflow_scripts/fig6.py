from pathlib import Path

from xsleep import tables
from xsleep.console import job
from xsleep.figures import fig6

with job(snakemake.log[0]):
    fig6.draw(tables.read_csv(snakemake.input[0]), Path(snakemake.output.svg).with_suffix(""))
