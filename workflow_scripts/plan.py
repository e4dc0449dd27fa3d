from pathlib import Path

from rich.console import Console

from xsleep.config.workflow import Workflow
from xsleep.core.console import job
from xsleep.core.files import write_csv
from xsleep.study import plan

with job(snakemake.log[0]) as report:
    params = snakemake.params
    lines = plan.plan(
        Workflow(**params.workflow),
        [plan.Runs(*run) for run in params.runs],
        {name: plan.Listed(*numbers) for name, numbers in params.listed.items()},
        {name: Path(path) for name, path in params.indexes.items()},
        params.batches,
        plan.finished_runs(Path(params.results)),
    )
    write_csv(Path(params.out), lines)
    console = Console(stderr=True)
    plan.summary(lines, console)
    console.print(f"{'Plan:':<12}{params.out}")
    report(f"{params.out}: {len(lines)} lines")
