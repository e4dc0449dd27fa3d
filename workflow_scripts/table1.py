from xsleep.config.databases import KFold
from xsleep.core.console import job
from xsleep.core.files import write_csv
from xsleep.results import inventory

with job(snakemake.log[0]):
    described = {
        name: inventory.Described(
            settings["scoring"],
            settings["windows"],
            folds if (folds := settings["folds"]) == "published" else KFold(**folds),
        )
        for name, settings in snakemake.params.databases.items()
    }
    table = inventory.table1(described, snakemake.input.indexes, snakemake.input.recordings)
    write_csv(snakemake.output[0], table)
