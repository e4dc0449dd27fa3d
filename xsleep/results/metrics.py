"""The five metrics of Table 2, from pooled test epochs.

The epochs of all test recordings of all folds are put together before anything is computed, so a
night weighs as many epochs as it has.

Where a stage does not occur in the true stages, its sensitivity does not exist, so it is left out
of all three means over stages; epochs wrongly given that stage still count against the stages they
belong to. With all five stages present the means are the paper's.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sklearn.metrics import confusion_matrix

from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.store.predictions import Prediction

METRICS = ("accuracy", "kappa", "MF1", "sensitivity", "specificity")
"""In the order of Table 2; kappa is a fraction, the others are percent."""
CLASS_WISE = ("precision", "sensitivity", "specificity", "F1")
"""Of one stage, in percent; sensitivity is what others call recall."""


def pooled(predictions: Iterable[Prediction]) -> tuple[np.ndarray, np.ndarray]:
    """True (n,) and predicted (n,) stages of all epochs of some test recordings.

    Raises:
        InputError: no recordings, and as `probabilities`.
    """
    predictions = list(predictions)
    if not predictions:
        raise InputError("no recordings; delete the file and run the fold again")
    true = np.concatenate([p.stages for p in predictions]).astype(int)
    return true, np.concatenate([decided(p) for p in predictions])


def decided(prediction: Prediction) -> np.ndarray:
    """Predicted stages (n,) of one recording, indices into ``STAGES``."""
    return probabilities(prediction).argmax(axis=1)


def probabilities(prediction: Prediction, branch: str | None = None) -> np.ndarray:
    """The probabilities (n, 5) that decide the stages of one recording.

    Args:
        branch: whose they are. By default ``joint``, and in a system with a single view its only
            branch.

    Raises:
        InputError: a branch that is not there, an epoch without a true stage, or a probability
            that is not finite.
    """
    name, branches = prediction.recording, prediction.probabilities
    if branch is None:
        branch = "joint" if "joint" in branches else next(iter(branches), "joint")
        if branch != "joint" and len(branches) > 1:
            raise InputError(
                f"{name}: branches {', '.join(branches)}, none of them joint; name one"
            )
    if branch not in branches:
        raise InputError(f"{name}: no branch {branch}, only {', '.join(branches) or 'none'}")
    values = branches[branch]
    if values.shape != (len(prediction.stages), len(STAGES)):
        raise InputError(
            f"{name}: {branch} probabilities of shape {values.shape} for "
            f"{len(prediction.stages)} epochs; delete the file and run the fold again"
        )
    if not (finite := np.isfinite(values).all(axis=1)).all():
        raise InputError(
            f"{name}: {branch} probability {values[~finite][0].tolist()} in epoch "
            f"{np.argmin(finite)}; see why the training diverged, delete the run and train again"
        )
    if not (known := np.isin(prediction.stages, range(len(STAGES)))).all():
        raise InputError(
            f"{name}: true stage {prediction.stages[~known][0]} in epoch {np.argmin(known)}, not "
            f"one of 0 to {len(STAGES) - 1}; leave epochs without a stage out of the test"
        )
    return values


def confusion(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Confusion matrix (5, 5) in epochs: rows are true stages, columns predicted ones."""
    return confusion_matrix(true, predicted, labels=range(len(STAGES)))


def measure(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """The metrics of Table 2, keyed and ordered as ``METRICS``.

    Args:
        true, predicted: (n,) indices into ``STAGES``, n > 0.

    Returns:
        accuracy, MF1, mean sensitivity and mean specificity in percent, Cohen's kappa as a
        fraction. NaN where a metric does not exist: kappa and specificity where a single stage
        leaves nothing to tell apart.
    """
    return {m: float(value) for m, value in of_confusion(confusion(true, predicted)).items()}


def of_confusion(counts: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of `measure` (...) of confusion matrices (..., 5, 5), many at once."""
    counts = np.asarray(counts, float)
    hits, actual, given = _sums(counts)
    total = actual.sum(axis=-1)
    stages = class_wise(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = hits.sum(axis=-1) / total
        by_chance = (actual * given).sum(axis=-1) / total**2
        kappa = (observed - by_chance) / (1 - by_chance)
    return {
        "accuracy": 100 * observed,
        "kappa": kappa,
        "MF1": _mean(stages["F1"], actual > 0),
        "sensitivity": _mean(stages["sensitivity"], actual > 0),
        "specificity": _mean(stages["specificity"], actual > 0),
    }


def class_wise(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Each of ``CLASS_WISE`` in percent (..., 5), by stage, of confusion matrices (..., 5, 5).

    NaN where one does not exist: nothing is divided by nothing.
    """
    counts = np.asarray(counts, float)
    hits, actual, given = _sums(counts)
    total = actual.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = (
            hits / given,
            hits / actual,
            1 - (given - hits) / (total - actual),
            2 * hits / (actual + given),
        )
    return {name: 100 * value for name, value in zip(CLASS_WISE, values, strict=True)}


def _sums(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each stage (..., 5) the epochs that are right, that are this stage, that are called so."""
    return np.einsum("...ii->...i", counts), counts.sum(axis=-1), counts.sum(axis=-2)


def _mean(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(present, values, 0).sum(axis=-1) / present.sum(axis=-1)
