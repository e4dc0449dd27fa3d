from pathlib import Path

from xsleep.config.network import NetworkSettings
from xsleep.core.console import job
from xsleep.scoring.given import import_given

with job(snakemake.log[0], snakemake.input):
    given, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    import_given(
        Path(params.checkpoint["path"]),
        Path(given.folds),
        int(wildcards.fold),
        Path(given.index),
        window=wildcards.window,
        channels=tuple(wildcards.channels.split("-")),
        system=params.system,
        settings=NetworkSettings(**params.network),
        out=Path(snakemake.output.model),
    )
