"""A 24-hour Sleep-EDF recording to epochs and spectrograms, compared with MNE and scipy.

    python benchmarks/preprocessing.py [--repeats 3]

Both read a simulated recording (EEG and EOG, 100 Hz) on one core and write files, with everything
imported: the pipeline's job, including hashes of its inputs, and the usual approach
(``mne.io.read_raw_edf``, a filter, ``mne.Epochs`` and ``scipy.signal.spectrogram`` for each epoch)
in two variants:

- with the released filter (``scipy.signal.filtfilt``), so that the numbers can be compared;
- with ``raw.filter`` at MNE's defaults.

Each runs in its own process, whose peak memory is measured; the least time of the repeats counts.
The goals are 2.5 s, 600 MB and five times faster.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from processes import alone, peak_mb

GOAL_SECONDS, GOAL_MB, GOAL_RATIO = 2.5, 600, 5
NIGHT, HOURS = "SC4001E0", 24
EPOCHS, SPECTROGRAMS = f"epochs/{NIGHT}.h5", f"spectrograms/{NIGHT}.h5"
LABELS = {"EEG": ["EEG Fpz-Cz"], "EOG": ["EOG horizontal"]}
COHORT = {"subjects": 1, "nights": 1, "hours": HOURS, "seed": 1}


def simulate(folder: Path) -> None:
    from xsleep.databases.simulated.cohort import Cohort
    from xsleep.databases.simulated.files import write_recording

    write_recording(folder, NIGHT, Cohort(**COHORT))


def pipeline(folder: Path, repeats: int) -> tuple[float, float]:
    """Return seconds and megabytes of the job ``prepare``."""
    from xsleep.config.network import Filtering
    from xsleep.databases import source_of
    from xsleep.preparation.jobs import prepare

    source = source_of(reader="simulated", folder=folder, labels=LABELS, cohort=COHORT)

    def once() -> None:
        (folder / EPOCHS).unlink(missing_ok=True)  # stored epochs are not made again
        prepare(
            source,
            tuple(LABELS),
            Filtering(),
            [NIGHT],
            epochs=folder / "epochs",
            spectrograms=folder / "spectrograms",
            index=folder / "index.h5",
            seen=folder / "seen.json",
            report=lambda line: None,
        )

    return least(once, repeats), peak_mb()


def usual(folder: Path, repeats: int, released_filter: bool) -> tuple[float, float]:
    """Return seconds and megabytes with MNE and scipy; write ``usual.npz``."""
    import mne
    import numpy as np
    from scipy import signal

    mne.set_log_level("error")
    window = np.hamming(200)
    amplitude = {"detrend": False, "scaling": "spectrum", "mode": "magnitude"}

    def once() -> None:
        raw = mne.io.read_raw_edf(
            folder / f"{NIGHT}-PSG.edf",
            include=[label for labels in LABELS.values() for label in labels],
            preload=True,
        )
        raw.set_annotations(mne.read_annotations(folder / f"{NIGHT[:-1]}C-Hypnogram.edf"))
        if released_filter:
            taps = signal.firwin(101, (0.3, 40), pass_zero=False, fs=100)
            raw.apply_function(lambda values: signal.filtfilt(taps, 1, values))
        else:
            raw.filter(0.3, 40, picks="all")
        events, _ = mne.events_from_annotations(
            raw, regexp="Sleep stage [W1234R]", chunk_duration=30.0
        )
        epochs = mne.Epochs(
            raw, events, tmin=0, tmax=30 - 1 / 100, baseline=None, picks="all", preload=True
        )
        epochs = epochs.get_data() * 1e6  # volts to microvolts
        images = [
            20
            * np.log10(
                np.maximum(
                    signal.spectrogram(channel, 100, window, 200, 100, 256, **amplitude)[2], 1e-6
                )
            )
            for epoch in epochs
            for channel in epoch
        ]
        images = np.reshape(images, (*epochs.shape[:2], *images[0].shape))
        np.savez(
            folder / "usual.npz",
            signals=epochs.astype(np.float32),
            spectrograms=images.astype(np.float32),
        )

    return least(once, repeats), peak_mb()


def differences(folder: Path) -> dict[str, float]:
    """Return the largest differences of epochs and magnitudes, relative to the largest value.

    For magnitudes, relative to the largest in the frame: decibels near a null are meaningless.
    """
    import h5py
    import numpy as np

    def ours(path: str, kind: str) -> np.ndarray:
        with h5py.File(folder / path) as file:
            return np.stack([file[kind][channel][:] for channel in LABELS], axis=1)

    with np.load(folder / "usual.npz") as theirs:
        epochs = theirs["signals"]
        images = theirs["spectrograms"].swapaxes(-1, -2)
    # scipy divides by the sum of the window.
    expected = 10 ** (images / 20) * np.hamming(200).sum()
    magnitudes = 10 ** (ours(SPECTROGRAMS, "spectrograms") / 20)
    errors = np.abs(magnitudes - expected) / expected.max(axis=-1, keepdims=True)
    signals = np.abs(ours(EPOCHS, "signals") - epochs)
    return {"epochs": float(signals.max() / np.abs(epochs).max()), "spectra": float(errors.max())}


def least(once, repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        once()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone(simulate, folder)
        seconds, megabytes = alone(pipeline, folder, repeats)
        own_seconds, own_megabytes = alone(usual, folder, repeats, False)
        same_seconds, same_megabytes = alone(usual, folder, repeats, True)
        found = alone(differences, folder)
    print(f"preprocessing of {HOURS} hours, {' and '.join(LABELS)}, one core")
    print(f"  {seconds:.2f} s, {seconds / GOAL_SECONDS:.2f} of the goal of {GOAL_SECONDS} s")
    print(f"  {megabytes:.0f} MB, {megabytes / GOAL_MB:.2f} of the goal of {GOAL_MB} MB")
    for what, their_seconds, their_megabytes in (
        ("the released filter", same_seconds, same_megabytes),
        ("raw.filter", own_seconds, own_megabytes),
    ):
        print(
            f"  MNE and scipy with {what}: {their_seconds:.2f} s, {their_megabytes:.0f} MB; "
            f"{their_seconds / seconds:.1f} times ours, goal {GOAL_RATIO}"
        )
    for kind, difference in found.items():
        print(f"  largest difference of {kind}: {difference:.1e} of the largest value")


if __name__ == "__main__":
    sys.exit(main())
