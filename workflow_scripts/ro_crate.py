import sys
from functools import partial
from pathlib import Path

from snakemake.io import IOFile
from snakemake.persistence.file import FilePersistence

from xsleep.config.databases import Source
from xsleep.core.console import job
from xsleep.results.provenance import crate


def first_and_last(records, paths):
    """When the first of all jobs began that these files stand on, and when the last ended.

    ``None`` where a file has no record, as it may have stayed where the file was copied from.
    """
    if not all(map(partial(recorded, records), paths)):
        return None
    begins, ends, seen = [], [], set()
    while paths:
        path = paths.pop()
        if path not in seen and (job := recorded(records, path)):
            begins.append(job.starttime)
            ends.append(job.endtime)
            paths += job.input
        seen.add(path)
    return min(begins), max(ends)


def recorded(records, path):
    """Snakemake's record of the job that made a file; ``None`` for what no job made."""
    return records.metadata(IOFile(str(path)))


with job(snakemake.log[0]) as report:
    paths, params = snakemake.input, snakemake.params
    runs, gaps = crate.read_runs(Path(path).parent for path in paths.runs)
    for line in gaps:
        report(f"left out: {line}")
        print(f"left out: {line}", file=sys.stderr)
    records = FilePersistence(path=Path(".snakemake"))
    times = first_and_last(records, [*paths])
    code, crate = Path(snakemake.output.code), Path(snakemake.output.crate)
    crate.copy_code(Path(snakemake.scriptdir).parent, snakemake.config, code)
    sources = {
        name: (Source.model_validate(source), Path(index))
        for (name, source), index in zip(params.sources.items(), paths.indexes, strict=True)
    }
    outputs = [Path(path) for path in [*paths.results, *paths.runs, *paths.models]]
    crate.write_crate(crate, code, sources, outputs, runs, gaps, times, params.snakemake)
