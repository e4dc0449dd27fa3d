from pathlib import Path

from xsleep import pipeline
from xsleep.console import job
from xsleep.settings import KFold

with job(snakemake.log[0]):
    folds = snakemake.params.folds
    pipeline.make_folds(
        snakemake.wildcards.database,
        folds if folds == "published" else KFold(**folds),
        Path(snakemake.input[0]),
        Path(snakemake.output[0]),
    )
