rule spectrograms:
    input:
        "data/epochs/{database}/{recording}.h5",
    output:
        "data/spectrograms/{database}/{recording}.h5",
    log:
        "logs/spectrograms/{database}/{recording}.log",
    benchmark:
        "logs/benchmarks/spectrograms/{database}/{recording}.tsv"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    message:
        "{wildcards.database}: spectrograms of {wildcards.recording}"
    script:
        "../workflow_scripts/spectrograms.py"
