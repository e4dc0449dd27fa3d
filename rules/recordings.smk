rule simulate:
    output:
        psg="data/recordings/simulated/{night}0-PSG.edf",
        hypnogram="data/recordings/simulated/{night}C-Hypnogram.edf",
    log:
        "logs/recordings/simulated/{night}.log",
    benchmark:
        "logs/benchmarks/recordings/simulated/{night}.tsv"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        cohort=lambda wildcards: simulated_cohort(),
    message:
        "simulated: night {wildcards.night}"
    script:
        "../workflow_scripts/simulate.py"
