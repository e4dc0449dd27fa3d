from pathlib import Path

import pandas as pd

from xsleep.console import job
from xsleep.figures import fig1b, fig5

FIGURES = {"fig1b": fig1b, "fig5": fig5}

with job(snakemake.log[0]):
    histories = {
        system: pd.read_csv(path)
        for system, path in zip(snakemake.params.systems, snakemake.input, strict=True)
    }
    figure = FIGURES[snakemake.rule]
    figure.draw(histories, Path(snakemake.output.svg).with_suffix(""), snakemake.params.title)
