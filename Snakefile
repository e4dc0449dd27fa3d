from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")


# Beside the Snakefile that Snakemake was called with, which may be that of a study (xsleep init).
configfile: f"{workflow.basedir}/config/config.yaml"


report: "captions/workflow.rst"


include: "rules/common.smk"
include: "rules/slurm.smk"
include: "rules/databases.smk"
include: "rules/training.smk"
include: "rules/transfer.smk"
include: "rules/networks.smk"
include: "rules/external.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/robustness.smk"
include: "rules/pages.smk"


rule all:
    default_target: True
    input:
        "results/recordings.csv",
        "results/table1.csv",
        rules.table2.output,
        STUDY.figures.paths,
        rules.comparisons.output,
        rules.appendix.output,
    localrule: True
    message:
        "All tables and figures"


# It tells of all that is made, so of what stands above.
include: "rules/provenance.smk"
include: "rules/bundle.smk"


rule figures:
    input:
        STUDY.figures.paths,
    localrule: True
    message:
        "Figures"


onstart:
    shared = workflow.global_resources.get("gpu_mem_mb")  # of profiles/gpu
    try:
        if getattr(shared, "value", shared):
            global MPS  # which ends where nothing refers to it, and with this process
            MPS = start_mps()
        MESSAGES.on_start(workflow.dag)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    except KeyboardInterrupt:
        raise WorkflowError("interrupted before any job") from None


onsuccess:
    MESSAGES.on_success()


onerror:
    MESSAGES.on_error()
