from pathlib import Path

from xsleep.compute import device, parallel
from xsleep.config.network import NetworkSettings
from xsleep.config.training import TrainingSettings
from xsleep.core.console import job
from xsleep.training.jobs import Job

with job(snakemake.log[0]) as report, parallel.processes(snakemake.resources.get("gpu", 0)):
    device.limit_memory(snakemake.resources.get("gpu_mem_mb"))
    wildcards, run = snakemake.wildcards, snakemake.params.run
    Job(
        {
            "database": wildcards.database,
            "window": wildcards.window,
            "channels": wildcards.channels,
            "system": run["system"],
            "seed": int(wildcards.seed),
            "fold": int(wildcards.fold),
        },
        TrainingSettings(**run["training"]),
        folder=Path(snakemake.output.model).parent,
        threads=snakemake.threads,
        report=report,
    ).train(
        NetworkSettings(**run["network"]),
        folds=Path(snakemake.input.folds),
        index=Path(snakemake.input.index),
    )
