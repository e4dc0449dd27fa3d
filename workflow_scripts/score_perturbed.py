from pathlib import Path

import torch
from pydantic import TypeAdapter

from xsleep.compute import device
from xsleep.config.network import Filtering
from xsleep.config.robustness import Perturbation
from xsleep.core.console import job
from xsleep.databases import source_of
from xsleep.external.robustness import Recordings, Scorer, score_perturbed

with (
    job(snakemake.log[0], snakemake.input) as report,
    device.limited_memory(snakemake.resources.get("gpu_mem_mb")),
):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    recordings = Recordings(
        snakemake.wildcards.database,
        Path(snakemake.input.folds),
        source_of(**params.source),
        params.channels,
        {index: Filtering(**filtering) for index, filtering in params.filterings.items()},
    )
    score_perturbed(
        recordings,
        [Scorer(**scorer) for scorer in params.scorers],
        TypeAdapter(Perturbation | None).validate_python(params.change),
        params.seed,
        Path(snakemake.output[0]),
        report=report,
    )
