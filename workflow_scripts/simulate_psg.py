from pathlib import Path

from xsleep.console import job
from xsleep.databases import cohort
from xsleep.databases.simulated import write_psg
from xsleep.settings import DatabaseSettings

with job(snakemake.log[0]):
    settings = DatabaseSettings(**snakemake.params.database)
    write_psg(Path(snakemake.output[0]), f"{snakemake.wildcards.night}0", cohort(settings))
