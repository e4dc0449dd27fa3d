from xsleep.core.console import job
from xsleep.core.files import whole
from xsleep.databases import source_of
from xsleep.results.model_card import results_card
from xsleep.results.table2 import read_csv

with job(snakemake.log[0], snakemake.input), whole(snakemake.output[0]) as temporary:
    sources = {name: source_of(**source) for name, source in snakemake.params.sources.items()}
    card = results_card(read_csv(snakemake.input[0]), sources)
    temporary.write_text(card, encoding="utf-8")
