from pathlib import Path

from xsleep.compute import device, parallel
from xsleep.config.network import NetworkSettings
from xsleep.config.training import TrainingSettings
from xsleep.core.console import job
from xsleep.training.jobs import Job

with job(snakemake.log[0]) as report, parallel.processes(snakemake.resources.get("gpu", 0)):
    device.limit_memory(snakemake.resources.get("gpu_mem_mb"))
    wildcards, run = snakemake.wildcards, snakemake.params.run
    windows, indexes = snakemake.params.windows, map(Path, snakemake.input.indexes)
    Job(
        {
            "source": snakemake.params.source,
            "channels": wildcards.source_channels,
            "system": run["system"],
            "seed": int(wildcards.seed),
        },
        TrainingSettings(**run["training"]),
        folder=Path(snakemake.output.model).parent,
        threads=snakemake.threads,
        report=report,
    ).pretrain(
        NetworkSettings(**run["network"]),
        split=Path(snakemake.input.split),
        databases=dict(zip(windows, zip(indexes, windows.values(), strict=True), strict=True)),
    )
