from pathlib import Path

from xsleep.core.console import job
from xsleep.results import table2
from xsleep.results.figures import gain
from xsleep.results.measurements import gather, run_predictions

with job(snakemake.log[0], snakemake.input) as report:
    params, given = snakemake.params, snakemake.input
    recordings = dict(zip(params.databases, map(Path, given.recordings), strict=True))
    results = gather(run_predictions(params.runs, given.predictions, params.systems), recordings)
    for line in table2.faults(results):
        report(f"left out: {line}")
    gain.draw(results, Path(snakemake.output.svg).with_suffix(""), params.simulated)
