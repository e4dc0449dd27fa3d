import sys
from pathlib import Path

from snakemake.io import IOFile
from snakemake.persistence.file import FilePersistence

from xsleep import provenance
from xsleep.console import job
from xsleep.settings import Source

with job(snakemake.log[0]) as report:
    paths, params = snakemake.input, snakemake.params
    runs, gaps = provenance.read_runs(Path(path).parent for path in paths.runs)
    for line in gaps:
        report(f"left out: {line}")
        print(f"left out: {line}", file=sys.stderr)
    records = FilePersistence(path=Path(".snakemake"))
    jobs = [records.metadata(IOFile(str(path))) for path in paths]
    # The record of results that were copied or pulled from elsewhere may have stayed there.
    times = None
    if all(job is not None and job.starttime and job.endtime for job in jobs):
        times = min(job.starttime for job in jobs), max(job.endtime for job in jobs)
    code, crate = Path(snakemake.output.code), Path(snakemake.output.crate)
    provenance.copy_code(Path(snakemake.scriptdir).parent, snakemake.config, code)
    sources = {
        name: (Source.model_validate(source), Path(index))
        for (name, source), index in zip(params.sources.items(), paths.indexes, strict=True)
    }
    outputs = [Path(path) for path in [*paths.results, *paths.runs, *paths.models]]
    provenance.write_crate(crate, code, sources, outputs, runs, gaps, times, params.snakemake)
