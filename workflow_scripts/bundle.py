from pathlib import Path

from xsleep.core.console import job
from xsleep.databases import source_of
from xsleep.results.bundle import write_bundle
from xsleep.results.measurements import run_predictions

with job(snakemake.log[0], snakemake.input):
    params, output = snakemake.params, Path(snakemake.output[0])
    write_bundle(
        output,
        output.parent,
        dict.fromkeys(map(Path, snakemake.input)),
        runs=run_predictions(params.runs, snakemake.input.predictions, params.systems),
        sources={name: source_of(**source) for name, source in params.sources.items()},
    )
