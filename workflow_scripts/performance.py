from pathlib import Path

from xsleep import tables
from xsleep.console import job
from xsleep.figures import fig4, gain

FIGURES = {"fig4": fig4, "gain": gain}

with job(snakemake.log[0]):
    figure = FIGURES[snakemake.rule]
    figure.draw(tables.read_csv(snakemake.input[0]), Path(snakemake.output.svg).with_suffix(""))
