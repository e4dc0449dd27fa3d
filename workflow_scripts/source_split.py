from pathlib import Path

from xsleep.core.console import job
from xsleep.preparation.jobs import make_source_split

with job(snakemake.log[0], snakemake.input):
    windows, indexes = snakemake.params.windows, map(Path, snakemake.input)
    make_source_split(
        dict(zip(windows, zip(indexes, windows.values(), strict=True), strict=True)),
        snakemake.params.validation,
        snakemake.params.seed,
        Path(snakemake.output[0]),
    )
