import json
from pathlib import Path

from xsleep.core.console import job
from xsleep.core.files import whole
from xsleep.databases import source_of
from xsleep.results.croissant import croissant

with job(snakemake.log[0], snakemake.input), whole(snakemake.output[0]) as temporary:
    sources = {name: source_of(**source) for name, source in snakemake.params.sources.items()}
    root = Path(snakemake.output[0]).parent
    content = croissant(root, sources, list(map(Path, snakemake.input.predictions)))
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
