from pathlib import Path

from xsleep.core.console import job
from xsleep.databases.simulated.cohort import Cohort
from xsleep.databases.simulated.files import write_recording

with job(snakemake.log[0], snakemake.input):
    write_recording(
        Path(snakemake.output.psg).parent,
        f"{snakemake.wildcards.night}0",
        Cohort(**snakemake.params.cohort),
    )
