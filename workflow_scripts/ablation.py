from collections import defaultdict
from pathlib import Path

from xsleep.core.console import job
from xsleep.core.errors import InputError
from xsleep.results.ablation import ablation
from xsleep.results.figures import ablation as figure
from xsleep.results.formatting import noted, write_csv
from xsleep.results.measurements import run_predictions

with job(snakemake.log[0], snakemake.input):
    params, inputs = snakemake.params, snakemake.input
    if not params.runs:
        raise InputError(
            f"{params.database}: the preset {params.preset} has every difference as in the paper, "
            "which leaves nothing to switch; choose another preset for it"
        )
    differences, addresses = zip(*params.runs, strict=True)
    found = run_predictions(addresses, inputs.predictions, params.systems)
    runs = defaultdict(list)
    for difference, run in zip(differences, found, strict=True):
        runs[difference].append(run)
    recordings = {params.database: Path(inputs.recordings)}
    table = ablation(runs, {"none": {}} | params.values, recordings)
    figure.draw(table, Path(snakemake.output.svg).with_suffix(""), params.simulated)
    write_csv(snakemake.output.csv, noted(table, params.simulated))
