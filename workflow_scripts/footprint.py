from xsleep.config.network import NetworkSettings
from xsleep.core.console import job
from xsleep.results.footprint import footprint
from xsleep.results.inventory import write_csv

with job(snakemake.log[0]):
    networks = {
        preset: NetworkSettings(**settings)
        for preset, settings in snakemake.params.networks.items()
    }
    write_csv(footprint(networks), snakemake.output[0])
