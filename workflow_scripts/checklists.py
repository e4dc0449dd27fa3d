import sys
from pathlib import Path

from xsleep.config.workflow import Workflow
from xsleep.core.console import job
from xsleep.core.files import read_table, whole
from xsleep.results.provenance import checklists
from xsleep.results.provenance.crate import read_runs

with job(snakemake.log[0]) as report:
    paths, params = snakemake.input, snakemake.params
    runs, gaps = read_runs(Path(path).parent for path in paths.runs)
    for line in gaps:
        report(f"left out: {line}")
        print(f"left out: {line}", file=sys.stderr)
    workflow = Workflow.model_validate(params.workflow)
    facts = checklists.Facts(
        workflow,
        runs,
        gaps,
        read_table(paths.table1),
        read_table(paths.recordings),
        dict(zip(workflow.databases, map(Path, paths.folds), strict=True)),
        dict(zip(workflow.databases, map(Path, paths.indexes), strict=True)),
    )
    for path, checklist in (
        (snakemake.output.ml_reproducibility, checklists.ML_REPRODUCIBILITY),
        (snakemake.output.reforms, checklists.REFORMS),
    ):
        with whole(path) as temporary:
            temporary.write_text(checklists.written(checklist, facts), encoding="utf-8")
