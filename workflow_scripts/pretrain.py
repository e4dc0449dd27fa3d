from pathlib import Path

from xsleep.compute import device, parallel
from xsleep.config.network import NetworkSettings
from xsleep.config.training import TrainingSettings
from xsleep.core.console import job
from xsleep.training.jobs import pretrain_run

with job(snakemake.log[0]) as report, parallel.processes(snakemake.resources.get("gpu", 0)):
    device.limit_memory(snakemake.resources.get("gpu_mem_mb"))
    wildcards, run = snakemake.wildcards, snakemake.params.run
    databases = snakemake.params.windows
    pretrain_run(
        {
            "source": snakemake.params.source,
            "channels": wildcards.source_channels,
            "system": run["system"],
            "seed": int(wildcards.seed),
        },
        NetworkSettings(**run["network"]),
        TrainingSettings(**run["training"]),
        split=Path(snakemake.input.split),
        windows=databases,
        indexes=dict(zip(databases, map(Path, snakemake.input.indexes), strict=True)),
        folder=Path(snakemake.output.model).parent,
        threads=snakemake.threads,
        report=report,
    )
