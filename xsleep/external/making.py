"""Predictions of external systems, made recording by recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xsleep.core.arrays import Floats, Integers
from xsleep.core.errors import InputError
from xsleep.store.predictions import Prediction
from xsleep.store.recordings import RecordingInfo, Stored


def of_probabilities(info: RecordingInfo, probabilities: Floats) -> Prediction:
    """Return the prediction of a recording from the probabilities (n, 5) of its epochs."""
    given = {"joint": probabilities}
    return Prediction(info.recording, info.subject, info.places, info.stages, given)


def of_stages(info: RecordingInfo, stages: Integers) -> Prediction:
    """Return the prediction of a recording from the stages (n,) of its epochs."""
    where = info.recording, info.subject, info.places, info.stages
    return Prediction(*where, probabilities={}, predicted=stages)


def for_each(
    recordings: Sequence[Stored], predict: Callable[[Stored], Prediction]
) -> tuple[list[Prediction], list[str]]:
    """Return the predictions of the recordings, and a line for each that has none.

    Raises:
        InputError: no recording has a prediction; the line is that of the first.
    """
    predictions, faults = [], []
    for stored in recordings:
        try:
            predictions.append(predict(stored))
        except InputError as error:
            faults.append(str(error))
    if not predictions and faults:
        raise InputError(faults[0])
    return predictions, [f"left out: {fault}" for fault in faults]
