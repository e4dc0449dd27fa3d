from pathlib import Path

from xsleep.core.console import aloud, job
from xsleep.core.files import whole
from xsleep.results import formatting, table2, typeset
from xsleep.results.measurements import run_predictions

with job(snakemake.log[0], snakemake.input) as report:
    params = snakemake.params
    recordings = dict(zip(params.databases, map(Path, snakemake.input.recordings), strict=True))
    runs = run_predictions(params.runs, snakemake.input.predictions, params.systems)
    results = table2.gathered(runs, recordings, aloud(report))
    table = table2.table2(results, params.not_run)
    formatting.write_csv(snakemake.output.csv, formatting.noted(table, params.simulated))
    for name, typed in (("html", typeset.html), ("tex", typeset.latex)):
        with whole(snakemake.output[name]) as temporary:
            temporary.write_text(typed(table, params.simulated), encoding="utf-8")
