from pathlib import Path

from xsleep.core.console import job
from xsleep.results import table2
from xsleep.results.figures import hypnogram
from xsleep.results.formatting import entitled
from xsleep.results.measurements import gather, run_predictions
from xsleep.store.recordings import read_index

with job(snakemake.log[0], snakemake.input) as report:
    params = snakemake.params
    runs = run_predictions(params.runs, snakemake.input.predictions, params.systems)
    results = gather(runs, {snakemake.wildcards.database: Path(snakemake.input.recordings)})
    for line in table2.faults(results):
        report(f"left out: {line}")
    stored = read_index(snakemake.input.index)
    for svg in filter(lambda path: path.endswith(".svg"), snakemake.output):
        stem = Path(svg).with_suffix("")
        seed, prediction = hypnogram.pick(runs, results[0], stem.name)
        which = f", {stem.name} recording" if stem.name in hypnogram.PICKS else ""
        database = snakemake.wildcards.database
        seeded = f", seed {seed}" if all(run.fold for run in runs) else ""  # others have no seed
        title = entitled(f"{params.title}{seeded}{which}", [database], params.simulated)
        hypnogram.draw(prediction, stored[prediction.recording].info, stem, title)
