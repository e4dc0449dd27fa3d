from pathlib import Path

from xsleep.config.workflow import Workflow
from xsleep.core.console import aloud, job
from xsleep.core.files import read_table, whole
from xsleep.results.provenance import checklists
from xsleep.results.provenance.runs import Run

with job(snakemake.log[0], snakemake.input) as report:
    paths = snakemake.input
    workflow = Workflow.model_validate(snakemake.params.workflow)
    facts = checklists.Facts(
        workflow,
        runs=[Run.read(Path(path).parent) for path in paths.runs],
        table1=read_table(paths.table1),
        recordings=read_table(paths.recordings),
        folds=dict(zip(workflow.databases, map(read_table, paths.folds), strict=True)),
        indexes=dict(zip(workflow.databases, map(Path, paths.indexes), strict=True)),
    )
    for gap in facts.gaps:
        aloud(report)(f"left out: {gap}")
    for path in map(Path, snakemake.output):  # each is named as its template
        with whole(path) as temporary:
            temporary.write_text(checklists.written(path.name, facts), encoding="utf-8")
