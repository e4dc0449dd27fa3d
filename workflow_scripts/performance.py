from pathlib import Path

from xsleep.core.console import job
from xsleep.results import table2
from xsleep.results.figures import fig4, gain

FIGURES = {"fig4": fig4, "gain": gain}

with job(snakemake.log[0], snakemake.input):
    figure = FIGURES[snakemake.rule]
    figure.draw(table2.read_csv(snakemake.input[0]), Path(snakemake.output.svg).with_suffix(""))
