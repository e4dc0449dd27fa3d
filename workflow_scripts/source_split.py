from pathlib import Path

from xsleep import runs
from xsleep.console import job

with job(snakemake.log[0]):
    windows, indexes = snakemake.params.windows, map(Path, snakemake.input)
    runs.make_source_split(
        dict(zip(windows, zip(indexes, windows.values(), strict=True), strict=True)),
        snakemake.params.validation,
        snakemake.params.seed,
        Path(snakemake.output[0]),
    )
