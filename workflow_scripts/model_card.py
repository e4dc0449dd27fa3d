from pathlib import Path

from xsleep.core.console import job
from xsleep.core.files import whole
from xsleep.databases import source_of
from xsleep.results.model_card import written

with job(snakemake.log[0], snakemake.input), whole(snakemake.output[0]) as temporary:
    params, run = snakemake.params, Path(snakemake.input.run)
    source = source_of(**params.source)
    text = written(run.parent, Path(snakemake.input.split), source, params.preset, params.table2)
    temporary.write_text(text, encoding="utf-8")
