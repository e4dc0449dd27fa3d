from xsleep.core.console import job
from xsleep.databases import source_of
from xsleep.results import agreement, formatting

with job(snakemake.log[0], snakemake.input):
    given = snakemake.params.sources
    sources = {name: source_of(**source) for name, source in given.items()}
    table = agreement.agreement(sources, snakemake.input.recordings, print)
    formatting.write_csv(snakemake.output[0], table)
