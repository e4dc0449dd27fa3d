"""Loading minibatches for the training of XSleepNet: speed and memory by size of the database.

    python benchmarks/loading.py [--recordings 30 120] [--channels EEG] [--folder FOLDER]

Generates stores with the given numbers of recordings, of 1,000 arbitrary epochs each, and loads
minibatches (32 sequences of 20 epochs, both views, shuffled over all sequences) like
`xsleep.training.loop`. Printed per store: milliseconds per minibatch from memory and from an
uncached disk, peak memory, and milliseconds with slices of open h5py datasets. Then the time to
start a training on as many recordings as SHHS has (160 GB per channel): from the start of its
process (imports, index, order, statistics) to the first step.

A store of 100 recordings takes 2.8 GB per channel. The goals are 4 ms, 4 GB and a start in 5 s
besides the comparison of all files with their SHA-256, which the start begins with: 160 GB at the
1.4 GB/s of one core take two minutes, and longer from a slow disk.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from processes import alone, peak_mb

GOAL_MS, GOAL_MB, GOAL_SECONDS = 4, 4000, 5
EPOCHS, LENGTH, BATCH = 1000, 20, 32
SHHS = 5791
VIEWS = ("raw", "time-frequency")
STEPS = 20


def generate(folder: Path, recordings: int, channels: tuple[str, ...]) -> None:
    """Generate a store and its index."""
    import numpy as np

    from xsleep.core.files import sha256
    from xsleep.core.recording import BINS, FRAMES, SAMPLES
    from xsleep.store.recordings import read_stored, write_epochs, write_index, write_spectrograms

    rng = np.random.default_rng(0)
    raw = rng.normal(0, 20, (EPOCHS, SAMPLES)).astype("f4")
    images = rng.normal(0, 10, (EPOCHS, FRAMES, BINS)).astype("f4")
    sums = np.ones((EPOCHS + 1, 2, BINS)).cumsum(0)
    found = []
    for number in range(recordings):
        night = one_night(number)
        paths = folder / f"{number}.h5", folder / f"{number}-images.h5"
        raw[:, 0] = number  # identifies the recording
        write_epochs(paths[0], night, dict.fromkeys(channels, raw))
        views = dict.fromkeys(channels, images), dict.fromkeys(channels, sums)
        write_spectrograms(paths[1], *views, sha256(paths[0]))
        found.append(read_stored(*paths))
    write_index(folder / "index.h5", found)


def one_night(number: int):
    import numpy as np

    from xsleep.store.recordings import RecordingInfo

    places = np.arange(EPOCHS)
    stages = np.random.default_rng(number).integers(0, 5, EPOCHS).astype("i1")
    hashes = {f"{number}.edf": f"{number:064x}"}
    return RecordingInfo(str(number), str(number), places, 30.0 * places, stages, hashes=hashes)


def opened(folder: Path, channels: tuple[str, ...]):
    """Return the parts of a store and their sequences."""

    from xsleep.config.network import NetworkSettings
    from xsleep.store.recordings import read_index
    from xsleep.training.parts import load_part
    from xsleep.training.sequences import TrainingSequences

    settings = NetworkSettings()
    parts = [
        load_part(stored, "whole-night", channels, settings)
        for stored in read_index(folder / "index.h5").values()
    ]
    return parts, TrainingSequences(parts, LENGTH, BATCH, None, seed=1)


def feeding(folder: Path, channels: tuple[str, ...], cold: bool) -> tuple[float, float]:
    """Return milliseconds per minibatch and megabytes."""
    from xsleep.training.sequences import ahead

    for path in folder.glob("*.h5"):
        path.read_bytes()
    _, sequences = opened(folder, channels)
    if cold:
        forget(folder)
    steps = (step % len(sequences) for step in range(10**9))
    batches = ahead(lambda step: sequences.batch(step, VIEWS), steps)
    return least_ms(lambda: next(batches), cold), peak_mb()


def by_h5py(folder: Path, channels: tuple[str, ...]) -> float:
    """Return milliseconds per minibatch, read as slices of open HDF5 datasets and stacked."""
    import h5py
    import numpy as np

    parts, sequences = opened(folder, channels)
    files = [
        (
            h5py.File(folder / f"{n}.h5")["signals"],
            h5py.File(folder / f"{n}-images.h5")["spectrograms"],
        )
        for n in range(len(parts))
    ]
    order = iter(sequences._order(0).tolist())

    def batch() -> list[np.ndarray]:
        chosen = list(islice(order, BATCH))
        return [
            np.stack(
                [
                    np.stack([files[n][view][c][s : s + LENGTH] for c in channels], axis=-1)
                    for n, s in chosen
                ]
            )
            for view in range(2)
        ]

    return least_ms(batch, cold=False)


def least_ms(take: Callable[[], object], cold: bool) -> float:
    """Return milliseconds per minibatch: the least of several runs, or a single one if uncached."""
    found = []
    for _ in range(1 if cold else 15):
        began = time.perf_counter()
        for _ in range(STEPS):
            take()
        found.append((time.perf_counter() - began) / STEPS * 1000)
    return min(found)


def forget(folder: Path) -> None:
    """Drop the files from the page cache."""
    os.sync()
    for path in folder.glob("*.h5"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Started(Exception):
    """Raised when training is about to take its first step."""


def start_at_shhs_size(folder: Path, began: float) -> tuple[float, str, float]:
    """Return seconds from process start to a training's first evaluation, its log line, megabytes.

    The index has as many recordings as SHHS, all in the files of one.
    """

    from xsleep.config.network import NetworkSettings
    from xsleep.config.training import TrainingSettings
    from xsleep.training.jobs import TrainingJob

    def report(line: str) -> None:
        raise Started(line)

    address = dict(window="whole-night", channels="EEG", system="XSleepNet2", seed=1, fold=1)
    try:
        job = TrainingJob(address, TrainingSettings(steps=1), folder, 1, report)
        job.train(NetworkSettings(), folder / "folds.csv", folder / "shhs.h5")
    except Started as line:
        return time.time() - began, str(line), peak_mb()
    raise AssertionError("no report")


def index_of_shhs_size(folder: Path) -> None:
    """Write an index of as many recordings as SHHS has, in the files of one, and its folds."""
    from dataclasses import replace

    from xsleep.store.recordings import read_index, write_index

    generate(folder, 1, ("EEG",))
    (one,) = read_index(folder / "index.h5").values()
    nights = [replace(one, info=one_night(number)) for number in range(SHHS)]
    write_index(folder / "shhs.h5", nights)
    roles = ["training"] * (SHHS - 200) + ["validation"] * 100 + ["test"] * 100
    lines = [f"1,{role},{n},{n}" for n, role in enumerate(roles)]
    lines += [f"1,training subset,{n},{n}" for n in range(100)]
    (folder / "folds.csv").write_text("\n".join(["fold,role,subject,recording", *lines]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, nargs="+", default=[30, 120])
    parser.add_argument("--channels", default="EEG")
    parser.add_argument("--folder", type=Path, help="a disk to generate the stores on")
    arguments = parser.parse_args()
    channels = tuple(arguments.channels.split("-"))
    for recordings in arguments.recordings:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            folder = Path(name)
            alone(generate, folder, recordings, channels)
            cold_ms, _ = alone(feeding, folder, channels, True)
            ms, megabytes = alone(feeding, folder, channels, False)
            usual_ms = alone(by_h5py, folder, channels)
        print(f"loading from {recordings} recordings, {arguments.channels}")
        print(f"  from memory {ms:.1f} ms, {ms / GOAL_MS:.2f} of the goal of {GOAL_MS} ms")
        print(f"  from disk {cold_ms:.1f} ms, {cold_ms / GOAL_MS:.2f} of the goal")
        print(f"  h5py from memory {usual_ms:.1f} ms, {usual_ms / ms:.1f} times ours")
        print(f"  {megabytes:.0f} MB, {megabytes / GOAL_MB:.2f} of the goal of {GOAL_MB} MB")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        alone(index_of_shhs_size, Path(name))
        starts = [alone(start_at_shhs_size, Path(name), time.time()) for _ in range(3)]
    seconds, line, megabytes = min(starts)
    print(f"start of a training on {SHHS:,} recordings: {line}")
    print(f"  {seconds:.1f} s, {seconds / GOAL_SECONDS:.2f} of the goal of {GOAL_SECONDS} s")
    print(f"  {megabytes:.0f} MB, {megabytes / GOAL_MB:.2f} of the goal of {GOAL_MB} MB")


if __name__ == "__main__":
    main()
