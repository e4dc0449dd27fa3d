"""The HDF5 files of the pipeline. No other module knows their layout.

Every file is written to a temporary name beside its own and renamed when it
is whole, so a file that exists is complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from xsleep.errors import InputError
from xsleep.stages import STAGES

EPOCH_SECONDS = 30
RATE = 100
"""Sampling rate of stored signals, in hertz."""


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that becomes ``path`` if the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class Prediction:
    """The scores of one test recording.

    Attributes:
        recording, subject: whose night it is.
        places: (n,) position of each epoch in the night, counted in epochs from the
            start of the recording; a jump marks epochs without a stage.
        stages: (n,) true label of each epoch, an index into ``STAGES``.
        probabilities: per branch (``raw``, ``time-frequency``, ``joint``), (n, 5).
    """

    recording: str
    subject: str
    places: np.ndarray
    stages: np.ndarray
    probabilities: Mapping[str, np.ndarray] = field(repr=False)


def write_predictions(path: str | Path, predictions: list[Prediction]) -> None:
    """Write the scores of the test recordings of one run."""
    with whole(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["stages"] = list(STAGES)
        for prediction in predictions:
            group = file.create_group(prediction.recording)
            group.attrs["subject"] = prediction.subject
            _dataset(group, "places", prediction.places.astype("i4"), "epochs of 30 s", "epoch")
            _dataset(group, "stages", prediction.stages.astype("i1"), "index into stages", "epoch")
            branches = group.create_group("probabilities")
            for branch, values in prediction.probabilities.items():
                _dataset(branches, branch, values.astype("f4"), "probability", "epoch, stage")


def read_predictions(path: str | Path) -> list[Prediction]:
    """The scores that ``write_predictions`` wrote, in order of recording."""
    with _open(path) as file:
        return [
            Prediction(
                recording=name,
                subject=group.attrs["subject"],
                places=group["places"][:],
                stages=group["stages"][:],
                probabilities={b: p[:] for b, p in group["probabilities"].items()},
            )
            for name, group in file.items()
        ]


def _dataset(group: h5py.Group, name: str, values: np.ndarray, unit: str, axes: str) -> None:
    dataset = group.create_dataset(name, data=values)
    dataset.attrs["unit"] = unit
    dataset.attrs["axes"] = axes


def _open(path: str | Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path}: not a readable HDF5 file ({error}); delete it and run again") from error
