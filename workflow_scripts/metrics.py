import json
from pathlib import Path

from xsleep import store, tables
from xsleep.console import job

with job(snakemake.log[0]), store.whole(Path(snakemake.output[0])) as temporary:
    metrics = tables.measured_metrics(tables.read_csv(snakemake.input[0]))
    temporary.write_text(json.dumps(metrics, indent=2) + "\n")
