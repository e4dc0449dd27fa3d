from pathlib import Path

from xsleep.core.console import aloud, job
from xsleep.results import formatting, table2
from xsleep.results.measurements import run_predictions

with job(snakemake.log[0], snakemake.input) as report:
    params, given = snakemake.params, snakemake.input
    recordings = dict(zip(params.databases, map(Path, given.recordings), strict=True))
    runs = run_predictions(params.runs, given.predictions, params.systems)
    results = table2.gathered(runs, recordings, aloud(report))
    table = table2.table2(results)
    sources = (table2.FROM, table2.TO, table2.PUBLISHED, table2.QUOTED, table2.DIFFERENCE)
    shown = table2.shown_together(table, sources)
    metrics = table2.columns(*table2.channel_sets(table))
    empty = [column for column in metrics if shown[column].isna().all()]
    formatting.write_csv(snakemake.output[0], shown.drop(columns=empty))
