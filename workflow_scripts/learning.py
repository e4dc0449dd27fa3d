from pathlib import Path

import pandas as pd

from xsleep.core.console import job
from xsleep.results.figures import learning

with job(snakemake.log[0]):
    histories = dict(zip(snakemake.params.systems, map(pd.read_csv, snakemake.input), strict=True))
    stem = Path(snakemake.output.svg).with_suffix("")
    learning.draw(snakemake.rule, histories, stem, snakemake.params.title)
