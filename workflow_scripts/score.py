from pathlib import Path

from xsleep.compute import device
from xsleep.core.console import job
from xsleep.scoring.jobs import score_run

with (
    job(snakemake.log[0], snakemake.input),
    device.limited_memory(snakemake.resources.get("gpu_mem_mb")),
):
    score_run(
        Path(snakemake.input.model),
        Path(snakemake.input.folds),
        int(snakemake.wildcards.fold),
        Path(snakemake.input.index),
        window=snakemake.wildcards.window,
        **snakemake.params.scoring,
        out=Path(snakemake.output.predictions),
        threads=snakemake.threads,
    )
