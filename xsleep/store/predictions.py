"""Predictions of the test recordings of a run, in one HDF5 file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from xsleep.core.files import whole
from xsleep.core.stages import STAGES
from xsleep.store.hdf5 import open_file, write_dataset


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
            write_dataset(group, "places", prediction.places.astype("i4"), "epochs", "epoch")
            write_dataset(
                group, "stages", prediction.stages.astype("i1"), "index into stages", "epoch"
            )
            branches = group.create_group("probabilities")
            for branch, values in prediction.probabilities.items():
                write_dataset(branches, branch, values.astype("f4"), "probability", "epoch, stage")


def read_predictions(path: str | Path) -> list[Prediction]:
    """The scores that ``write_predictions`` wrote, in order of recording."""
    with open_file(path) as file:
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
