import json
from collections import defaultdict
from dataclasses import fields
from pathlib import Path

from xsleep.core.console import job
from xsleep.results import transfer_tables
from xsleep.results.formatting import noted, write_csv
from xsleep.results.measurements import RunPredictions

with job(snakemake.log[0], snakemake.input) as report:
    params, inputs = snakemake.params, snakemake.input
    runs, facts = defaultdict(list), defaultdict(list)
    names = [field.name for field in fields(transfer_tables.Transfer)]
    for run, predictions, told in zip(params.runs, inputs.predictions, inputs.runs, strict=True):
        known = {**run, **run["address"]}
        transfer = transfer_tables.Transfer(**{name: known[name] for name in names})
        runs[transfer].append(RunPredictions(**run["address"], predictions=Path(predictions)))
        facts[transfer].append(json.loads(Path(told).read_text()))
    recordings = dict(zip(params.targets, map(Path, inputs.recordings), strict=True))
    table, left_out = transfer_tables.table(params.source, runs, facts, recordings)
    for line in left_out:
        report(f"left out: {line}")
    write_csv(snakemake.output[0], noted(table, params.simulated, of="target"))
