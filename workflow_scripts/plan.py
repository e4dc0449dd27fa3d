from pathlib import Path

from rich.console import Console

from xsleep import planning
from xsleep.console import job
from xsleep.settings import Workflow
from xsleep.store import write_csv

with job(snakemake.log[0]) as report:
    params = snakemake.params
    lines = planning.plan(
        Workflow(**params.workflow),
        [planning.Runs(*run) for run in params.runs],
        {name: planning.Listed(*numbers) for name, numbers in params.listed.items()},
        {name: Path(path) for name, path in params.indexes.items()},
        params.batches,
        planning.finished_runs(Path(params.results)),
    )
    write_csv(Path(params.out), lines)
    console = Console(stderr=True)
    planning.summary(lines, console)
    console.print(f"{'Plan:':<12}{params.out}")
    report(f"{params.out}: {len(lines)} lines")
