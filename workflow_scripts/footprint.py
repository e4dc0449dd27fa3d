from xsleep.config.network import NetworkSettings
from xsleep.core.console import job
from xsleep.core.files import write_csv
from xsleep.results.footprint import footprint

with job(snakemake.log[0], snakemake.input):
    networks = {
        preset: {system: NetworkSettings(**settings) for system, settings in of.items()}
        for preset, of in snakemake.params.networks.items()
    }
    write_csv(snakemake.output[0], footprint(networks))
