from pathlib import Path

import pandas as pd

from xsleep.core.console import job
from xsleep.core.files import csv_file
from xsleep.results.figures import transfer

DRAW = {"transfer": transfer.strategies, "learning_curves": transfer.learning_curves}

with job(snakemake.log[0], snakemake.input):
    draw = DRAW[snakemake.wildcards.table]
    with csv_file(snakemake.input[0]) as file:
        table = pd.read_csv(file)
    draw(table, Path(snakemake.output.svg).with_suffix(""), snakemake.params.simulated)
