from pathlib import Path

from xsleep.core.console import job
from xsleep.results import table2
from xsleep.results.figures import calibration, confusion, subjects
from xsleep.results.formatting import entitled
from xsleep.results.measurements import run_predictions

with job(snakemake.log[0], snakemake.input) as report:
    params, given, drawn = snakemake.params, snakemake.input, snakemake.output
    database = snakemake.wildcards.database
    runs = run_predictions(params.runs, given.predictions, params.systems)
    results, bins = calibration.tested(runs, {database: Path(given.recordings)})
    for line in table2.faults(results):
        report(f"left out: {line}")
    title = entitled(params.title, [database], params.simulated)
    confusion.matrices(results, Path(drawn.confusion).with_suffix(""), title)
    confusion.stages(results, Path(drawn.stages).with_suffix(""), title)
    subjects.draw(results, Path(drawn.subjects).with_suffix(""), title)
    calibration.draw(bins, Path(drawn.calibration).with_suffix(""), title)
