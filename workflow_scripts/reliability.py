from pathlib import Path

from xsleep.core.console import job
from xsleep.results import table2
from xsleep.results.figures import calibration, subjects
from xsleep.results.measurements import run_predictions

with job(snakemake.log[0], snakemake.input) as report:
    params, given, drawn = snakemake.params, snakemake.input, snakemake.output
    runs = run_predictions(params.runs, given.predictions, params.systems)
    recordings = {snakemake.wildcards.database: Path(given.recordings)}
    results, bins = calibration.tested(runs, recordings)
    for line in table2.faults(results):
        report(f"left out: {line}")
    subjects.draw(results, Path(drawn.subjects).with_suffix(""), params.title)
    calibration.draw(bins, Path(drawn.calibration).with_suffix(""), params.title)
