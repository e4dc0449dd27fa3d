from pathlib import Path

from xsleep.core.console import job
from xsleep.results.figures import learning
from xsleep.results.formatting import entitled
from xsleep.results.histories import read_history

with job(snakemake.log[0], snakemake.input):
    histories = dict(zip(snakemake.params.systems, map(read_history, snakemake.input), strict=True))
    stem = Path(snakemake.output.svg).with_suffix("")
    databases, simulated = [snakemake.wildcards.database], snakemake.params.simulated
    title = entitled(snakemake.params.title, databases, simulated)
    learning.draw(snakemake.rule, histories, stem, title)
