"""Performance of a logistic regression on band powers, with the folds of the networks.

    python benchmarks/logistic_regression.py simulated in-bed EEG

Reads the store and the folds made by the pipeline in this folder. Each fold is trained on the
training subjects' epochs and scores the test subjects', as the systems of Table 2 do.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from band_powers import classifier, log_powers

from xsleep.config.network import NetworkSettings
from xsleep.core.stages import STAGES
from xsleep.results.metrics import measure
from xsleep.store.recordings import read_index
from xsleep.training.parts import load_part, recordings_of_role


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database")
    parser.add_argument("window")
    parser.add_argument("channels")
    arguments = parser.parse_args()
    channels = tuple(arguments.channels.split("-"))
    folds = Path("results") / arguments.database / "folds.csv"
    recordings = read_index(Path("data/index") / arguments.database / "all.h5")

    def features(fold: int, role: str) -> tuple[np.ndarray, np.ndarray]:
        powers, parts = [], []
        for name in recordings_of_role(folds, fold, role):
            part = load_part(recordings[name], arguments.window, channels, NetworkSettings())
            parts.append(part)
            raw = part.data.raw(0, len(part))
            powers.append(np.hstack([log_powers(raw[..., c]) for c in range(len(channels))]))
        return np.concatenate(powers), np.concatenate([part.info.stages for part in parts])

    true, predicted = [], []
    for fold in sorted(pd.read_csv(folds)["fold"].unique()):
        model = classifier().fit(*features(fold, "training"))
        powers, stages = features(fold, "test")
        true.append(stages)
        predicted.append(model.predict(powers))
    true, predicted = np.concatenate(true), np.concatenate(predicted)
    print(f"{arguments.database}, {arguments.window}, {arguments.channels}: {len(true)} epochs")
    print(", ".join(f"{name} {value:.3g}" for name, value in measure(true, predicted).items()))
    for label, stage in enumerate(STAGES):
        if (true == label).any():
            print(f"  {stage}: recall {np.mean(predicted[true == label] == label):.2f}")


if __name__ == "__main__":
    main()
