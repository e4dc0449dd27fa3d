from pathlib import Path

from xsleep.core.console import job
from xsleep.results import appendix, formatting, table2
from xsleep.results.measurements import gather, run_predictions

with job(snakemake.log[0], snakemake.input) as report:
    params, given = snakemake.params, snakemake.input
    recordings = dict(zip(params.databases, map(Path, given.recordings), strict=True))
    results = gather(run_predictions(params.runs, given.predictions, params.systems), recordings)
    for line in table2.faults(results):
        report(f"left out: {line}")
    branched = run_predictions(params.branched, given.branched, params.systems)
    ensembles = appendix.d(branched, recordings)
    for note in filter(None, ensembles["note"].unique()):
        report(f"left out of D: {note}")
    tables = appendix.b(results), appendix.c(results), ensembles
    for table, path in zip(tables, snakemake.output, strict=True):
        formatting.write_csv(path, formatting.noted(table, params.simulated))
