from pathlib import Path

from xsleep.core.console import job
from xsleep.results import appendix, formatting, table2
from xsleep.results.measurements import gather, run_predictions

with job(snakemake.log[0]) as report:
    params, given = snakemake.params, snakemake.input
    recordings = dict(zip(params.databases, map(Path, given.recordings), strict=True))
    results = gather(run_predictions(params.runs, given.predictions, params.systems), recordings)
    for line in table2.faults(results):
        report(f"left out: {line}")
    ensembles = appendix.d(
        run_predictions(params.branched, given.branched, params.systems), recordings
    )
    for note in filter(None, ensembles["note"].unique()):
        report(f"left out of D: {note}")
    formatting.write_csv(appendix.b(results), snakemake.output.b)
    formatting.write_csv(appendix.c(results), snakemake.output.c)
    formatting.write_csv(ensembles, snakemake.output.d)
