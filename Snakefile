from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")


configfile: workflow.source_path("config/config.yaml")


report: "captions/workflow.rst"


include: "rules/common.smk"
include: "rules/databases.smk"
include: "rules/messages.smk"
include: "rules/slurm.smk"
include: "rules/batches.smk"
include: "rules/transfers.smk"
include: "rules/table2_runs.smk"
include: "rules/recordings.smk"
include: "rules/preparation.smk"
include: "rules/inventory.smk"
include: "rules/folds.smk"
include: "rules/training.smk"
include: "rules/transfer.smk"
include: "rules/scoring.smk"
include: "rules/zero_shot.smk"
include: "rules/tables.smk"
include: "rules/metrics.smk"
include: "rules/ablation.smk"
include: "rules/figures.smk"
include: "rules/transfer_tables.smk"
include: "rules/appendix.smk"
include: "rules/explorer.smk"
include: "rules/audit.smk"
include: "rules/plan.smk"


rule all:
    default_target: True
    input:
        "results/recordings.csv",
        "results/table1.csv",
        rules.table2.output,
        FIGURES,
        APPENDIX,
    message:
        "All tables and figures"


# It tells of all that is made, so of what stands above.
include: "rules/provenance.smk"


rule figures:
    input:
        FIGURES,
    message:
        "Figures"


onstart:
    show_placement()


onsuccess:
    show_results()


onerror:
    show_failures()
