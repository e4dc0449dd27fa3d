def simulated_cohort():
    """Who is simulated; the files depend on nothing else."""
    return WORKFLOW.databases["simulated"].source.cohort.model_dump()


rule simulate_psg:
    output:
        "data/recordings/simulated/{night}0-PSG.edf",
    params:
        cohort=lambda wildcards: simulated_cohort(),
    log:
        "logs/recordings/simulated/{night}-psg.log",
    benchmark:
        "logs/benchmarks/recordings/simulated/{night}-psg.tsv"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "simulated: signals of night {wildcards.night}"
    script:
        "../workflow_scripts/simulate_psg.py"


rule simulate_hypnogram:
    output:
        "data/recordings/simulated/{night}{scorer}-Hypnogram.edf",
    params:
        cohort=lambda wildcards: simulated_cohort(),
    log:
        "logs/recordings/simulated/{night}{scorer}-hypnogram.log",
    conda:
        "../environment.yml"
    wildcard_constraints:
        scorer="[A-Z]",
    message:
        "simulated: hypnogram of night {wildcards.night}"
    script:
        "../workflow_scripts/simulate_hypnogram.py"
