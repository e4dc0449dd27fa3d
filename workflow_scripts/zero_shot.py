from pathlib import Path

from xsleep.compute import device
from xsleep.config.databases import Source
from xsleep.core.console import job
from xsleep.scoring.jobs import zero_shot

with job(snakemake.log[0]):
    device.limit_memory(snakemake.resources.get("gpu_mem_mb"))
    database = snakemake.params.database
    zero_shot(
        database,
        Source(**snakemake.params.source),
        Path(snakemake.input.model),
        Path(snakemake.input.index),
        snakemake.params.window,
        snakemake.params.longest_gap,
        snakemake.params.scoring_stride,
        Path(snakemake.output.predictions),
        Path(snakemake.output.table),
        snakemake.threads,
    )
