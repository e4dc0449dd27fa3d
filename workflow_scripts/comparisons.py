from pathlib import Path

from xsleep import comparisons, tables
from xsleep.console import job
from xsleep.outcomes import cells, gather

with job(snakemake.log[0]) as report:
    params, given = snakemake.params, snakemake.input
    recordings = dict(zip(params.databases, map(Path, given.recordings), strict=True))
    runs = cells(params.runs, given.predictions, params.systems)
    outcomes = gather(runs, recordings)
    for line in tables.faults(outcomes):
        report(f"left out: {line}")
    ratios = {
        database: comparisons.subjects_ratio(Path(path))
        for database, path in zip(params.databases, given.folds, strict=True)
    }
    compared = comparisons.compare(outcomes, ratios)
    tables.write_csv(comparisons.rounded(compared), snakemake.output.comparisons)
    tables.write_csv(comparisons.claims(compared, runs, ratios), snakemake.output.claims)
