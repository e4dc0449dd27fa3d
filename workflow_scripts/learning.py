from pathlib import Path

import pandas as pd

from xsleep.core.console import job
from xsleep.results.figures import learning

DRAW = {"fig1": learning.fig1, "fig5": learning.fig5, "fig6": learning.fig6}

with job(snakemake.log[0]):
    histories = {
        system: pd.read_csv(path)
        for system, path in zip(snakemake.params.systems, snakemake.input, strict=True)
    }
    draw = DRAW[snakemake.rule]
    draw(histories, Path(snakemake.output.svg).with_suffix(""), snakemake.params.title)
