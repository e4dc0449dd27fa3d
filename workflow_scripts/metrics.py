import json
from pathlib import Path

from xsleep.core.console import job
from xsleep.core.files import whole
from xsleep.results import table2

with job(snakemake.log[0], snakemake.input), whole(Path(snakemake.output[0])) as temporary:
    metrics = table2.measured_metrics(table2.read_csv(snakemake.input[0]))
    temporary.write_text(json.dumps(metrics, indent=2) + "\n")
