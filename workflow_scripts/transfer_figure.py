from pathlib import Path

import pandas as pd

from xsleep.core.console import job
from xsleep.results.figures import transfer

DRAW = {"transfer": transfer.strategies, "learning_curves": transfer.learning_curves}

with job(snakemake.log[0]):
    draw = DRAW[snakemake.wildcards.table]
    draw(pd.read_csv(snakemake.input[0]), Path(snakemake.output.svg).with_suffix(""))
