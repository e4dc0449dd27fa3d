from collections import defaultdict
from pathlib import Path

from xsleep.core.console import job
from xsleep.core.errors import InputError
from xsleep.results.ablation import ablation
from xsleep.results.formatting import write_csv
from xsleep.results.measurements import RunPredictions

with job(snakemake.log[0]):
    params = snakemake.params
    if not params.runs:
        raise InputError(
            f"{params.database}: the preset {params.preset} has every difference as in the paper, "
            "which leaves nothing to switch; choose another preset for it"
        )
    runs = defaultdict(list)
    for (difference, run), path in zip(params.runs, snakemake.input.predictions, strict=True):
        names = run | {"system": params.systems[run["system"]]}
        runs[difference].append(RunPredictions(**names, predictions=Path(path)))
    recordings = {params.database: Path(snakemake.input.recordings)}
    table = ablation(runs, {"none": {}} | params.values, recordings)
    write_csv(table, snakemake.output[0])
