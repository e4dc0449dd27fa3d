"""Predictions of a run for its test recordings, in one HDF5 file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xsleep.core.arrays import Floats, Integers
from xsleep.core.stages import STAGES
from xsleep.store.hdf5 import create_file, open_file, values, write_dataset


@dataclass(frozen=True)
class Prediction:
    """Predictions of one test recording.

    Attributes:
        places: (n,) place of each epoch, counted in epochs from the start of the scoring; a jump
            marks epochs without a stage.
        stages: (n,) true labels, indices into ``STAGES``.
        probabilities: branch (``raw``, ``time-frequency``, ``joint``) to (n, 5) probabilities.
    """

    recording: str
    subject: str
    places: Integers
    stages: Integers
    probabilities: Mapping[str, Floats] = field(repr=False)


def write_predictions(path: str | Path, predictions: list[Prediction]) -> None:
    """Write the predictions of one run."""
    with create_file(path) as file:
        file.attrs["stages"] = list(STAGES)
        for prediction in predictions:
            group = file.create_group(prediction.recording)
            group.attrs["subject"] = prediction.subject
            places, stages = prediction.places.astype("i4"), prediction.stages.astype("i1")
            write_dataset(group, "places", places, unit="epochs", axes="epoch")
            write_dataset(group, "stages", stages, unit="index into stages", axes="epoch")
            branches = group.create_group("probabilities")
            for branch, values in prediction.probabilities.items():
                values = values.astype("f4")
                write_dataset(branches, branch, values, unit="probability", axes="epoch, stage")


def read_predictions(path: str | Path) -> list[Prediction]:
    """Return the predictions that ``write_predictions`` wrote, in order of recording."""
    with open_file(path) as file:
        return [
            Prediction(
                recording=name,
                subject=group.attrs["subject"],
                places=values(group["places"]),
                stages=values(group["stages"]),
                probabilities={b: values(p) for b, p in group["probabilities"].items()},
            )
            for name, group in file.items()
        ]
