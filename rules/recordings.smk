rule simulate_psg:
    output:
        "data/recordings/simulated/{night}0-PSG.edf",
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
    params:
        cohort=lambda wildcards: simulated_cohort(),
    message:
        "simulated: signals of night {wildcards.night}"
    script:
        "../workflow_scripts/simulate_psg.py"


rule simulate_hypnogram:
    output:
        "data/recordings/simulated/{night}{scorer}-Hypnogram.edf",
    log:
        "logs/recordings/simulated/{night}{scorer}-hypnogram.log",
    wildcard_constraints:
        scorer="[A-Z]",
    conda:
        "../environment.yml"
    params:
        cohort=lambda wildcards: simulated_cohort(),
    message:
        "simulated: hypnogram of night {wildcards.night}"
    script:
        "../workflow_scripts/simulate_hypnogram.py"
