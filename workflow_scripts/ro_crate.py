import shutil
from importlib.metadata import version
from pathlib import Path

from xsleep.core.console import aloud, job
from xsleep.databases import source_of
from xsleep.results.provenance.crate import copy_code, write_crate
from xsleep.results.provenance.runs import Run
from xsleep.study import snapshot

with job(snakemake.log[0], snakemake.input) as report:
    paths, params = snakemake.input, snakemake.params
    runs = [Run.read(Path(path).parent) for path in paths.runs]
    for gap in [gap for run in runs for gap in run.gaps]:
        aloud(report)(f"left out: {gap}")
    written = [Path(path).stat().st_mtime for path in paths]
    code = Path(snakemake.output.code)
    copy_code(snakemake.config, code)
    configured = snapshot.folder()  # the files may have changed since
    for name in ("databases", "presets"):
        shutil.copytree(configured / name, code / "config" / name, dirs_exist_ok=True)
    sources = zip(params.sources.items(), paths.indexes, strict=True)
    write_crate(
        Path(snakemake.output.crate),
        code=code,
        sources={name: (source_of(**source), Path(index)) for (name, source), index in sources},
        outputs=[Path(path) for path in [*paths.results, *paths.runs, *paths.models]],
        runs=runs,
        times=(min(written), max(written)),
        snakemake=version("snakemake"),
    )
