from pathlib import Path

from xsleep import tables
from xsleep.console import job
from xsleep.figures import calibration, subjects
from xsleep.outcomes import cells

with job(snakemake.log[0]) as report:
    params, given, drawn = snakemake.params, snakemake.input, snakemake.output
    runs = cells(params.runs, given.predictions, params.systems)
    recordings = {snakemake.wildcards.database: Path(given.recordings)}
    outcomes, bins = calibration.tested(runs, recordings)
    for line in tables.faults(outcomes):
        report(f"left out: {line}")
    subjects.draw(outcomes, Path(drawn.subjects).with_suffix(""), params.title)
    calibration.draw(bins, Path(drawn.calibration).with_suffix(""), params.title)
