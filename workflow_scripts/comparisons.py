from pathlib import Path

from xsleep.config.names import MEASURED
from xsleep.core.console import job
from xsleep.results import appendix, comparisons, formatting, table2
from xsleep.results.claims.evidence import Evidence
from xsleep.results.claims.table import claims
from xsleep.results.measurements import gather, run_predictions

with job(snakemake.log[0], snakemake.input) as report:
    params, given = snakemake.params, snakemake.input
    recordings = dict(zip(params.databases, map(Path, given.recordings), strict=True))
    runs = run_predictions(params.runs, given.predictions, params.systems)
    results = gather(runs, recordings)
    for line in table2.faults(results):
        report(f"left out: {line}")
    folds = dict(zip(params.databases, map(Path, given.folds), strict=True))
    tested, validated = (
        {name: comparisons.subjects_ratio(path, role) for name, path in folds.items()}
        for role in ("test", "validation")
    )
    compared = comparisons.compare(results, tested)
    trained = [run for run in runs if run.source == MEASURED]
    first = [run for run in trained if run.system == "XSleepNet1"]
    ensembles = appendix.decided_by(appendix.ENSEMBLES[1], first, recordings)
    evidence = Evidence(compared, results, trained, ensembles=ensembles, ratios=validated)
    formatting.write_csv(snakemake.output.comparisons, comparisons.rounded(compared))
    verdicts = formatting.noted(claims(evidence), params.simulated, "why")
    formatting.write_csv(snakemake.output.claims, verdicts)
