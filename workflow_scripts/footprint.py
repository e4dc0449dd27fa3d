from xsleep.console import job
from xsleep.footprint import footprint
from xsleep.inventory import write_csv
from xsleep.settings import NetworkSettings

with job(snakemake.log[0]):
    networks = {
        preset: NetworkSettings(**settings)
        for preset, settings in snakemake.params.networks.items()
    }
    write_csv(footprint(networks), snakemake.output[0])
