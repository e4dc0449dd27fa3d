"""Drift of a training on another machine, which determines the bounds of the audit.

    python benchmarks/another_machine.py [--system ARNN+RNN] [--fold 1] [--threads 1]

Run after `make table2`: a fold of the embedded cohort is trained and scored as it is, and again
under conditions that represent other machines. They change the order of summation and hence
rounding, which a training amplifies from step to step.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from xsleep.config.workflow import load
from xsleep.results.metrics import decided
from xsleep.scoring.jobs import score_run
from xsleep.store.predictions import read_predictions
from xsleep.training.jobs import TrainingJob

CONFIG = Path(__file__).parents[1] / "config"
INSTRUCTIONS = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
"""Instructions of PyTorch's own kernels and of oneDNN's."""
PRODUCTS = {"MKL_CBWR": "COMPATIBLE"}
"""Matrix products by instructions that every processor has."""
CONDITIONS = {
    "SSE4.1": (0, INSTRUCTIONS),
    "SSE4.1, MKL's too": (0, INSTRUCTIONS | PRODUCTS),
    "a thread more": (1, {}),
}
"""Threads more than as it is, and variables of the environment."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--system", default="ARNN+RNN")
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("another_machine"))
    parser.add_argument("--train", action="store_true", help="one training; what main starts")
    given = parser.parse_args()
    if given.train:
        train(given.system, given.fold, given.threads, given.out)
        return
    first = None
    for name, (more, environment) in {"as it is": (0, {}), **CONDITIONS}.items():
        out = given.out / given.system / f"fold-{given.fold}" / name
        if not (out / "predictions.h5").exists():
            subprocess.run(
                [
                    *(sys.executable, __file__, "--train", "--system", given.system),
                    *("--fold", str(given.fold), "--threads", str(given.threads + more)),
                    *("--out", out),
                ],
                env=os.environ | environment,
                check=True,
            )
        found = pd.read_csv(out / "history.csv"), read_predictions(out / "predictions.h5")
        if first is None:
            first = found
        print(f"{given.system}, fold {given.fold}, {name}: {told(first, found)}", flush=True)


def train(system: str, fold: int, threads: int, out: Path) -> None:
    """Train and score a fold of the embedded cohort."""
    workflow = load(yaml.safe_load((CONFIG / "config.yaml").read_text()), CONFIG)
    (name, database), *_ = workflow.databases.items()
    preset = workflow.presets[database.preset]
    window, channels = database.windows[0], database.channels[0]
    address = dict(database=name, window=window, channels=channels, system=system)
    folds, index = Path(f"results/{name}/folds.csv"), Path(f"data/index/{name}/all.h5")
    training = preset.training_of(system)
    address |= {"seed": 1, "fold": fold}
    job = TrainingJob(address, training, out, threads, report=lambda line: None)
    job.train(preset.network, folds, index)
    score_run(
        out / "model.safetensors",
        folds,
        fold,
        index,
        window=window,
        longest_gap=training.longest_gap,
        scoring_stride=training.scoring_stride,
        out=out / "predictions.h5",
        threads=threads,
    )


def told(first: tuple, again: tuple) -> str:
    """Return a line on the differences of two trainings in losses and test stages."""
    histories = [history.filter(regex=" loss$") for history, _ in (first, again)]
    apart = (histories[1] / histories[0] - 1).abs().max(axis=1)
    true = np.concatenate([night.stages for night in first[1]])
    called = [np.concatenate([decided(night) for night in nights]) for _, nights in (first, again)]
    right = [100 * np.mean(stages == true) for stages in called]
    kept = apart.iloc[[0, 1, len(apart) // 2, -1]]
    return (
        f"losses apart by {', '.join(f'{share:.1e}' for share in kept)} at the evaluations "
        f"{', '.join(str(place) for place in kept.index)}; accuracy {right[1]:.2f} % "
        f"({right[1] - right[0]:+.2f}), {np.mean(called[0] != called[1]):.1%} of the {len(true):,} "
        "epochs called otherwise"
    )


if __name__ == "__main__":
    main()
