from pathlib import Path

from xsleep.compute import device, parallel
from xsleep.config.network import NetworkSettings
from xsleep.config.training import TrainingSettings
from xsleep.core.console import job
from xsleep.training.jobs import TrainingJob

ADDRESS = ("source", "source_channels", "database", "window", "channels", "system", "seed", "fold")
ADDRESS += ("strategy",)
"""Names of a run in ``run.json``, of which each kind of run has some."""

with (
    job(snakemake.log[0], snakemake.input) as report,
    parallel.processes(snakemake.resources.get("gpu", 0)),
    device.limited_memory(snakemake.resources.get("gpu_mem_mb")),
):
    inputs, run = snakemake.input, snakemake.params.run
    split, source = inputs.get("split"), snakemake.params.get("source")
    pretrained = inputs.get("pretrained")
    given = dict(snakemake.wildcards.items()) | {"system": run["system"]}
    given |= {name: int(given[name]) for name in ("seed", "fold") if name in given}
    if source:
        given |= {"source": source, "channels": given.pop("source_channels")}
    training = TrainingJob(
        {name: given[name] for name in ADDRESS if name in given},
        TrainingSettings(**run["training"]),
        folder=Path(snakemake.output.model).parent,
        threads=snakemake.threads,
        report=report,
    )
    if split:
        windows, indexes = snakemake.params.windows, map(Path, inputs.indexes)
        databases = dict(zip(windows, zip(indexes, windows.values(), strict=True), strict=True))
        training.pretrain(NetworkSettings(**run["network"]), Path(split), databases)
    elif pretrained:
        folds, index = Path(inputs.folds), Path(inputs.index)
        training.finetune(run["subjects"], Path(pretrained), folds, index)
    else:
        folds, index = Path(inputs.folds), Path(inputs.index)
        training.train(NetworkSettings(**run["network"]), folds, index)
