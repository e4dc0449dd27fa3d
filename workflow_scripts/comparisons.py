from pathlib import Path

from xsleep import appendix, comparisons, tables
from xsleep.claims.evidence import Evidence
from xsleep.claims.table import claims
from xsleep.console import job
from xsleep.outcomes import cells, gather

with job(snakemake.log[0]) as report:
    params, given = snakemake.params, snakemake.input
    recordings = dict(zip(params.databases, map(Path, given.recordings), strict=True))
    runs = cells(params.runs, given.predictions, params.systems)
    outcomes = gather(runs, recordings)
    for line in tables.faults(outcomes):
        report(f"left out: {line}")
    folds = dict(zip(params.databases, map(Path, given.folds), strict=True))
    tested, validated = (
        {name: comparisons.subjects_ratio(path, role) for name, path in folds.items()}
        for role in ("test", "validation")
    )
    compared = comparisons.compare(outcomes, tested)
    weighted = appendix.decided_by(
        appendix.ENSEMBLES[1], [run for run in runs if run.system == "XSleepNet1"], recordings
    )
    evidence = Evidence(compared, outcomes, runs, weighted, validated)
    tables.write_csv(comparisons.rounded(compared), snakemake.output.comparisons)
    tables.write_csv(claims(evidence), snakemake.output.claims)
