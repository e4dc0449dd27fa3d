"""Logistic regression on band powers: a baseline trained per fold, on each epoch alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xsleep.core.arrays import Doubles, Floats
from xsleep.core.errors import InputError
from xsleep.core.recording import RATE
from xsleep.core.stages import STAGES
from xsleep.external.making import of_probabilities
from xsleep.preparation.windows import within
from xsleep.store.predictions import Prediction
from xsleep.store.recordings import RecordingData, RecordingInfo, Stored

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

BANDS = {"delta": (0.5, 4), "theta": (4, 8), "alpha": (8, 12), "sigma": (12, 16), "beta": (16, 30)}
"""Edges of the bands in hertz."""

SEGMENT = 4 * RATE
"""Samples of a segment of Welch's method."""


Features = tuple[RecordingInfo, Doubles]
"""A recording in a window, and the features (n, 5 C) of its epochs."""


class Roles(NamedTuple):
    """Names of the recordings of a fold."""

    tested: Sequence[str]
    training: Sequence[str]


def log_powers(signal: Floats) -> Doubles:
    """Return the natural logarithm (n, 5) of the power in each band of (n, 3000) samples at 100 Hz.

    The signal is standardised over all its epochs. Powers are by Welch's method with 4-s Hamming
    segments, half overlapping, median average.
    """
    from scipy.integrate import simpson
    from scipy.signal import welch

    deviation = signal.std(dtype=float)
    standard = (signal - signal.mean(dtype=float)) / (deviation or 1)
    hz, density = welch(standard, RATE, "hamming", SEGMENT, average="median")
    powers = [
        simpson(density[:, keep], x=hz[keep])
        for low, high in BANDS.values()
        for keep in [(hz >= low) & (hz <= high)]
    ]
    logarithms: Doubles = np.log(np.stack(powers, axis=1) + 1e-10)
    return logarithms


def classifier() -> Pipeline:
    """Return a logistic regression on features that are standardised over the training epochs."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def logistic_regression(
    recordings: Mapping[str, Stored],
    folds: Mapping[int, Roles],
    channels: tuple[str, ...],
    window: str,
) -> list[Prediction]:
    """Return the predictions of the test recordings of all folds.

    Each fold is trained on all epochs of its training recordings in the window.

    Raises:
        InputError: the training recordings of a fold have one stage alone.
    """
    names = {name for roles in folds.values() for of in roles for name in of}
    known = {name: features(recordings[name], channels, window) for name in sorted(names)}
    predictions = []
    for number, roles in folds.items():
        model = fitted([known[name] for name in roles.training], number)
        found = [predicted(model, known[name]) for name in roles.tested]
        predictions += [replace(one, fold=number) for one in found]
    return predictions


def features(stored: Stored, channels: tuple[str, ...], window: str) -> Features:
    """Return a recording in a window, and the features (n, 5 C) of its epochs."""
    info, chosen = within(stored.info, window)
    raw = RecordingData(stored, channels, chosen).raw(0, len(chosen))
    return info, np.hstack([log_powers(raw[..., c]) for c in range(len(channels))])


def fitted(training: Sequence[Features], fold: int) -> Pipeline:
    """Return the classifier of a fold.

    Raises:
        InputError: the training recordings have one stage alone.
    """
    stages = np.concatenate([info.stages for info, _ in training])
    if len(np.unique(stages)) == 1:
        raise InputError(
            f"logistic regression: the training recordings of fold {fold} have one stage alone; "
            "take the control away, or use other folds"
        )
    return classifier().fit(np.concatenate([values for _, values in training]), stages)


def predicted(model: Pipeline, tested: Features) -> Prediction:
    """Return the prediction of a recording; a stage that never trained gets no probability."""
    info, values = tested
    chances = np.zeros((len(values), len(STAGES)))
    chances[:, model.classes_] = model.predict_proba(values)
    return of_probabilities(info, chances)
