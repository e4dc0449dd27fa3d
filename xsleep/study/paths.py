"""Paths of what the workflow makes, as patterns with wildcards; relative to where it runs."""

INDEX = "{store}/index/{database}/all.h5"
"""All that is known of the recordings of a database. Jobs that read the store depend on this one
file instead of some ten thousand, which plans and starts them in seconds."""
BATCH_INDEX = "{store}/index/{database}/batches/{batch}.h5"
EPOCHS = "{store}/epochs/{database}"
SPECTROGRAMS = "{store}/spectrograms/{database}"
SEEN = ".snakemake/xsleep/{store}/{database}/{batch}.json"
"""Hashes of the files of a batch when they were last read; may be deleted."""
FETCHED = "data/fetched/{database}/{attempt}.txt"
"""List of the fetched files, one for each attempt."""

RECORDINGS = "results/{database}/recordings.csv"
FOLDS = "results/{database}/folds.csv"

CASE = "{database}/{window}/{channels}"
ADDRESS = CASE + "/{system}/seed-{seed}/fold-{fold}"
RUN = "{root}/" + ADDRESS
"""Folder of a run. The root is ``results``; ``results/ablation/DIFFERENCE`` where a difference
between paper and code is switched, or of a variant of a system; `RETRAINED`; or `TRANSFER`."""
RETRAINED = "results/audit/retrained"
"""Root of runs that are trained again for the audit."""
ABLATION = "results/ablation/{difference}"
PERTURBED = "results/robustness/{database}/{perturbation}.csv"
"""Scores of all systems on the test recordings under a perturbation, or under ``none``."""
HYPNOGRAMS = "results/figures/hypnograms/" + CASE + "/{system}"
"""Hypnograms of one system; ``HYPNOGRAMS/SC4001E0.svg`` is drawn on demand."""
TRANSFER = "results/transfer/{source}/{source_channels}/{strategy}{subjects}"
GIVEN = "results/given"
"""Root of runs whose networks were trained elsewhere."""
EXTERNAL = "results/{kind}/" + CASE + "/{system}"
"""Folder of a system that is not trained here; its kind is ``predictions``, ``released``,
``stagers`` or ``controls``, and its one file of predictions has all folds."""
NETWORKS = "results/networks/{database}/{window}"
NETWORK = NETWORKS + "/{channels}/{system}/seed-{seed}"
"""Folder of a network that is trained on all recordings of a database, to score new ones."""
PRETRAINED = "results/pretraining/{source}/{source_channels}"
