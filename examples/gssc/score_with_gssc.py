"""Score recordings with GSSC; write its stages for Table 2 (docs/how-to/predictions.md).

    python score_with_gssc.py RECORDING.edf ... --eeg C4-M1 --eog E1-M2 --out gssc.csv

Runs in an environment of its own: see README.md beside this file.
"""

import argparse
import csv
from pathlib import Path

import mne
import numpy as np
from gssc.infer import EEGInfer

STAGES = ("W", "N1", "N2", "N3", "REM")
"""Stage of each of GSSC's codes."""


def read(path: Path, labels: list[tuple[str, list[str]]]) -> mne.io.RawArray:
    """Return the first signal of a file among the labels of each kind, EEG and EOG.

    One more sample is added: without it GSSC leaves out the last epoch.
    """
    file = mne.io.read_raw(path, verbose="error")
    found = {kind: next((x for x in names if x in file.ch_names), None) for kind, names in labels}
    if not (kinds := {name: kind for kind, name in found.items() if name}):
        raise SystemExit(f"{path}: has {', '.join(file.ch_names)}; name one with --eeg or --eog")
    values = np.pad(file.get_data(list(kinds)), ((0, 0), (0, 1)), mode="edge")
    info = mne.create_info(list(kinds), file.info["sfreq"], list(kinds.values()))
    return mne.io.RawArray(values, info, verbose="error")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs="+", type=Path, help="EDF or other files of MNE")
    parser.add_argument("--eeg", nargs="+", default=[], help="labels to try in turn")
    parser.add_argument("--eog", nargs="+", default=[], help="labels to try in turn")
    parser.add_argument("--out", type=Path, default=Path("gssc.csv"))
    arguments = parser.parse_args()
    labels = [("eeg", arguments.eeg), ("eog", arguments.eog)]
    gssc = EEGInfer(use_cuda=False)
    with arguments.out.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["recording", "epoch", "stage"])
        for path in arguments.recordings:
            codes, _ = gssc.mne_infer(read(path, labels))
            name = path.stem.removesuffix("-PSG")
            rows.writerows((name, epoch, STAGES[code]) for epoch, code in enumerate(codes))


if __name__ == "__main__":
    main()
