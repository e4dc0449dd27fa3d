from pathlib import Path

from xsleep.config.databases import KFold
from xsleep.core.console import job
from xsleep.preparation.jobs import make_folds

with job(snakemake.log[0], snakemake.input):
    folds = snakemake.params.folds
    make_folds(
        snakemake.wildcards.database,
        folds if folds == "published" else KFold(**folds),
        Path(snakemake.input[0]),
        Path(snakemake.output[0]),
    )
