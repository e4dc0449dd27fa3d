from xsleep.config.network import NetworkSettings
from xsleep.core.console import job
from xsleep.core.files import write_csv
from xsleep.results.footprint import footprint

with job(snakemake.log[0], snakemake.input):
    networks = {
        preset: NetworkSettings(**settings)
        for preset, settings in snakemake.params.networks.items()
    }
    write_csv(snakemake.output[0], footprint(networks))
