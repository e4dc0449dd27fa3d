import sys
from importlib.metadata import version
from pathlib import Path

from xsleep.core.console import job
from xsleep.databases import source_of
from xsleep.results.provenance.crate import copy_code, read_runs, write_crate

with job(snakemake.log[0]) as report:
    paths, params = snakemake.input, snakemake.params
    runs, gaps = read_runs(Path(path).parent for path in paths.runs)
    for line in gaps:
        report(f"left out: {line}")
        print(f"left out: {line}", file=sys.stderr)
    written = [Path(path).stat().st_mtime for path in paths]
    code = Path(snakemake.output.code)
    copy_code(Path(snakemake.scriptdir).parent, snakemake.config, code)
    sources = {
        name: (source_of(**source), Path(index))
        for (name, source), index in zip(params.sources.items(), paths.indexes, strict=True)
    }
    write_crate(
        Path(snakemake.output.crate),
        code,
        sources,
        [Path(path) for path in [*paths.results, *paths.runs, *paths.models]],
        runs,
        gaps,
        (min(written), max(written)),
        version("snakemake"),
    )
