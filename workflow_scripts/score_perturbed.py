from pathlib import Path

import torch

from xsleep.compute import device
from xsleep.config.network import Filtering
from xsleep.config.robustness import RobustnessSettings
from xsleep.core.console import job
from xsleep.databases import source_of
from xsleep.external.robustness import Fold, Scorer, score_perturbed

with job(snakemake.log[0], snakemake.input) as report:
    device.limit_memory(snakemake.resources.get("gpu_mem_mb"))
    torch.set_num_threads(snakemake.threads)
    fold = Fold(
        snakemake.wildcards.database,
        int(snakemake.wildcards.fold),
        folds=Path(snakemake.input.folds),
        source=source_of(**snakemake.params.source),
        channels=snakemake.params.channels,
        filterings={
            index: Filtering(**filtering)
            for index, filtering in snakemake.params.filterings.items()
        },
    )
    score_perturbed(
        fold,
        [Scorer(**scorer) for scorer in snakemake.params.scorers],
        RobustnessSettings(**snakemake.params.settings),
        Path(snakemake.output[0]),
        report=report,
    )
