from pathlib import Path

from xsleep.compute import device
from xsleep.core.console import job
from xsleep.core.files import whole
from xsleep.results.audit import checks, page
from xsleep.results.audit.evidence import Evidence, Pretraining, Run
from xsleep.results.measurements import run_predictions

with job(snakemake.log[0]) as report:
    device.limit_memory(snakemake.resources.get("gpu_mem_mb"))
    params = snakemake.params
    predictions = [f"{folder}/predictions.h5" for folder in params.folders]
    runs = [
        Run(
            identity,
            Path(index),
            address | params.configured[address["database"]][address["system"]],
            pretrained and Path(pretrained),
        )
        for identity, index, address, pretrained in zip(
            run_predictions(params.runs, predictions, params.systems),
            params.indexes,
            params.runs,
            params.pretrained,
            strict=True,
        )
    ]
    again = [
        (runs[place], runs[place].at(path))
        for place, path in zip(params.again, snakemake.input.retrained, strict=True)
    ]
    sources = {name: (Path(index), window) for name, (index, window) in params.sources.items()}
    pretrainings = [
        Pretraining(Path(folder), settings, Path(params.split), sources)
        for folder, settings in params.pretrainings.items()
    ]
    evidence = Evidence(
        runs,
        {
            database: Path(f"results/{database}/recordings.csv")
            for database in [*params.databases, *params.sources]
        },
        {database: Path(f"results/{database}/folds.csv") for database in params.databases},
        Path(snakemake.input.table2),
        next(iter(again), None),
        pretrainings,
    )
    verdicts = checks.verdicts(evidence, report)
    content = page.content(verdicts, checks.cells(evidence.table2), evidence)
    for path, write in ((snakemake.output.json, page.as_json), (snakemake.output.html, page.html)):
        with whole(path) as temporary:
            temporary.write_text(write(content), encoding="utf-8")
