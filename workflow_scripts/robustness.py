from pathlib import Path

from xsleep.core.console import job
from xsleep.results import formatting
from xsleep.results.figures import robustness as figure
from xsleep.results.robustness import robustness

with job(snakemake.log[0], snakemake.input):
    params = snakemake.params
    table = robustness(
        [*map(Path, snakemake.input)], params.systems, params.perturbations, params.left_out
    )
    formatting.write_csv(snakemake.output.csv, formatting.noted(table, params.simulated))
    figure.draw(table, Path(snakemake.output.svg).with_suffix(""), params.simulated)
