from pathlib import Path

from xsleep.core.console import job
from xsleep.results import table2
from xsleep.results.figures import fig4

with job(snakemake.log[0], snakemake.input):
    stem = Path(snakemake.output.svg).with_suffix("")
    fig4.draw(table2.read_csv(snakemake.input[0]), stem, snakemake.params.simulated)
