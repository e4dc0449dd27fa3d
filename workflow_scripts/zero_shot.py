from pathlib import Path

from xsleep.compute import device
from xsleep.core.console import job
from xsleep.core.files import write_csv
from xsleep.databases import source_of
from xsleep.results.table2 import confusion_table
from xsleep.scoring.jobs import zero_shot
from xsleep.store.predictions import read_predictions

with (
    job(snakemake.log[0], snakemake.input),
    device.limited_memory(snakemake.resources.get("gpu_mem_mb")),
):
    predictions = Path(snakemake.output.predictions)
    facts = zero_shot(
        snakemake.params.database,
        source_of(**snakemake.params.source),
        Path(snakemake.input.model),
        Path(snakemake.input.index),
        window=snakemake.params.window,
        longest_gap=snakemake.params.longest_gap,
        scoring_stride=snakemake.params.scoring_stride,
        out=predictions,
        threads=snakemake.threads,
    )
    table = confusion_table(read_predictions(predictions))
    write_csv(Path(snakemake.output.table), [facts | line for line in table])
