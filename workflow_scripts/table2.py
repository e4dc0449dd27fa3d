from pathlib import Path

from xsleep import tables
from xsleep.console import job

with job(snakemake.log[0]):
    cells = [
        tables.Cell(
            **run | {"system": snakemake.params.systems[run["system"]]}, predictions=Path(path)
        )
        for run, path in zip(snakemake.params.runs, snakemake.input.predictions, strict=True)
    ]
    recordings = {
        database: Path(path)
        for database, path in zip(
            snakemake.params.databases, snakemake.input.recordings, strict=True
        )
    }
    tables.write_csv(tables.table2(cells, recordings), snakemake.output[0])
