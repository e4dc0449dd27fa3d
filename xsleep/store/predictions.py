"""Predictions of a run for its test recordings, in one HDF5 file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xsleep.core.arrays import Floats, Integers
from xsleep.core.stages import STAGES
from xsleep.store.hdf5 import create_file, open_file, write_dataset


@dataclass(frozen=True)
class Prediction:
    """Predictions of one test recording.

    Attributes:
        places: (n,) place of each epoch, counted in epochs from the start of the scoring; a jump
            marks epochs without a stage.
        stages: (n,) true labels, indices into ``STAGES``.
        probabilities: branch (``raw``, ``time-frequency``, ``joint``) to (n, 5) probabilities;
            empty for a system that gives none.
        fold: test fold of the recording, where a file holds all folds of a system.
        predicted: (n,) predicted stages of a system that gives no probabilities.
    """

    recording: str
    subject: str
    places: Integers
    stages: Integers
    probabilities: Mapping[str, Floats] = field(repr=False)
    fold: int | None = None
    predicted: Integers | None = field(default=None, repr=False)


def write_predictions(
    path: str | Path, predictions: Sequence[Prediction], remarks: Sequence[str] = ()
) -> None:
    """Write the predictions of one run, and lines for the note of Table 2."""
    with create_file(path, sealed=True) as file:
        file.attrs["stages"] = list(STAGES)
        file.attrs["remarks"] = list(remarks)
        for prediction in predictions:
            group = file.create_group(prediction.recording)
            group.attrs["subject"] = prediction.subject
            if prediction.fold is not None:
                group.attrs["fold"] = prediction.fold
            places, stages = prediction.places.astype("i4"), prediction.stages.astype("i1")
            write_dataset(group, "places", places, unit="epochs", axes="epoch")
            write_dataset(group, "stages", stages, unit="index into stages", axes="epoch")
            if prediction.predicted is not None:
                predicted = prediction.predicted.astype("i1")
                write_dataset(group, "predicted", predicted, unit="index into stages", axes="epoch")
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
                places=group["places"][:],
                stages=group["stages"][:],
                probabilities={b: p[:] for b, p in group["probabilities"].items()},
                fold=int(group.attrs["fold"]) if "fold" in group.attrs else None,
                predicted=group["predicted"][:] if "predicted" in group else None,
            )
            for name, group in file.items()
        ]


def read_remarks(path: str | Path) -> tuple[str, ...]:
    """Return the remarks that ``write_predictions`` wrote."""
    with open_file(path) as file:
        return tuple(map(str, file.attrs.get("remarks", ())))
