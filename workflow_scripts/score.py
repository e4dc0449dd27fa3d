from pathlib import Path

from xsleep.compute import device
from xsleep.core.console import job
from xsleep.scoring.jobs import score_run

with job(snakemake.log[0]):
    device.limit_memory(snakemake.resources.get("gpu_mem_mb"))
    score_run(
        Path(snakemake.input.model),
        Path(snakemake.input.folds),
        int(snakemake.wildcards.fold),
        Path(snakemake.input.index),
        snakemake.wildcards.window,
        snakemake.params.scoring["longest_gap"],
        snakemake.params.scoring["scoring_stride"],
        Path(snakemake.output.predictions),
        snakemake.threads,
    )
