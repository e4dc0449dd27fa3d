from pathlib import Path

from xsleep.compute import device
from xsleep.core.console import job
from xsleep.core.files import whole
from xsleep.results.audit import checks, page
from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.trainings import Imported, Pretraining, Run
from xsleep.results.measurements import run_predictions
from xsleep.study import paths

with (
    job(snakemake.log[0], snakemake.input) as report,
    device.limited_memory(snakemake.resources.get("gpu_mem_mb")),
):
    params = snakemake.params
    predictions = [f"{folder}/predictions.h5" for folder in params.folders]
    runs = [
        Run(
            identity,
            store=Path(index),
            assignment=Path(paths.FOLDS.format(database=identity.database)),
            settings=address | params.configured[address["database"]][address["system"]],
            pretrained=pretrained and Path(pretrained),
        )
        for identity, index, address, pretrained in zip(
            run_predictions(params.runs, predictions, params.systems),
            params.indexes,
            params.runs,
            params.pretrained,
            strict=True,
        )
    ]
    imported = [
        Imported(identity, Path(index), Path(paths.FOLDS.format(database=identity.database)))
        for identity, index in zip(
            run_predictions(
                params.imported,
                [f"{folder}/predictions.h5" for folder in params.imported_folders],
                params.systems,
            ),
            params.imported_indexes,
            strict=True,
        )
    ]
    retrained = [
        (runs[place], runs[place].at(path))
        for place, path in zip(params.again, snakemake.input.retrained, strict=True)
    ]
    sources = {name: (Path(index), window) for name, (index, window) in params.sources.items()}
    evidence = Evidence(
        runs=runs,
        recordings={
            database: Path(paths.RECORDINGS.format(database=database))
            for database in [*params.databases, *params.sources]
        },
        table2=Path(snakemake.input.table2),
        imported=imported,
        retrained=next(iter(retrained), None),
        pretrainings=[
            Pretraining(Path(folder), settings, Path(params.split), sources)
            for folder, settings in params.pretrainings.items()
        ],
    )
    content = page.content(checks.verdicts(evidence, report), evidence, params.simulated)
    for path, write in ((snakemake.output.json, page.as_json), (snakemake.output.html, page.html)):
        with whole(path) as temporary:
            temporary.write_text(write(content), encoding="utf-8")
