# What `dvc metrics diff` compares.
rule metrics:
    input:
        "results/table2.csv",
    output:
        "results/metrics.json",
    log:
        "logs/metrics.log",
    conda:
        "../environment.yml"
    message:
        "Metrics of every system"
    script:
        "../workflow_scripts/metrics.py"
