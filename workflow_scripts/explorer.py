from pathlib import Path

from xsleep.core.console import aloud, job
from xsleep.results import explorer
from xsleep.results.measurements import run_predictions

with job(snakemake.log[0], snakemake.input) as report:
    params = snakemake.params
    explorer.write(
        run_predictions(params.runs, snakemake.input.predictions, params.systems),
        dict(zip(params.databases, map(Path, snakemake.input.recordings), strict=True)),
        dict(zip(params.databases, map(Path, snakemake.input.indexes), strict=True)),
        page=Path(snakemake.output.page),
        simulated=params.simulated,
        report=aloud(report),
    )
