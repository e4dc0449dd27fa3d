"""The five metrics of Table 2, from pooled test epochs.

The epochs of all test recordings of all folds are put together before anything is computed, so a
night weighs as many epochs as it has.

Where a stage does not occur in the true stages, its sensitivity does not exist, so it is left out
of all three means over stages; epochs wrongly given that stage still count against the stages they
belong to. With all five stages present the means are the paper's.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    recall_score,
)

from xsleep.errors import InputError
from xsleep.stages import STAGES
from xsleep.store import Prediction

METRICS = ("accuracy", "kappa", "MF1", "sensitivity", "specificity")
"""In the order of Table 2; kappa is a fraction, the others are percent."""


def pooled(
    predictions: Iterable[Prediction], branch: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted stages of all epochs of some test recordings.

    Args:
        branch: whose probabilities decide. By default ``joint``, and in a system with a single
            view its only branch.

    Returns:
        true (n,) and predicted (n,), indices into ``STAGES``.

    Raises:
        InputError: no recordings, a branch that is not there, an epoch without a true stage, or a
            probability that is not finite.
    """
    predictions = list(predictions)
    if not predictions:
        raise InputError("no recordings; delete the file and run the fold again")
    true = np.concatenate([p.stages for p in predictions]).astype(int)
    return true, np.concatenate([_decided(p, branch) for p in predictions])


def _decided(prediction: Prediction, branch: str | None) -> np.ndarray:
    name, branches = prediction.recording, prediction.probabilities
    if branch is None:
        branch = "joint" if "joint" in branches else next(iter(branches), "joint")
        if branch != "joint" and len(branches) > 1:
            raise InputError(
                f"{name}: branches {', '.join(branches)}, none of them joint; name one"
            )
    if branch not in branches:
        raise InputError(f"{name}: no branch {branch}, only {', '.join(branches) or 'none'}")
    probabilities = branches[branch]
    if probabilities.shape != (len(prediction.stages), len(STAGES)):
        raise InputError(
            f"{name}: {branch} probabilities of shape {probabilities.shape} for "
            f"{len(prediction.stages)} epochs; delete the file and run the fold again"
        )
    if not (finite := np.isfinite(probabilities).all(axis=1)).all():
        raise InputError(
            f"{name}: {branch} probability {probabilities[~finite][0].tolist()} in epoch "
            f"{np.argmin(finite)}; see why the training diverged, delete the run and train again"
        )
    if not (known := np.isin(prediction.stages, range(len(STAGES)))).all():
        raise InputError(
            f"{name}: true stage {prediction.stages[~known][0]} in epoch {np.argmin(known)}, not "
            f"one of 0 to {len(STAGES) - 1}; leave epochs without a stage out of the test"
        )
    return probabilities.argmax(axis=1)


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
    counts = confusion(true, predicted)
    hits, actual, given = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    present = np.flatnonzero(actual)
    means = {"labels": present, "average": "macro"}
    with np.errstate(invalid="ignore"):
        specificity = 1 - (given - hits)[present] / (counts.sum() - actual)[present]
    # scikit-learn warns as well as returning NaN where kappa does not exist
    with warnings.catch_warnings(action="ignore", category=UndefinedMetricWarning):
        kappa = cohen_kappa_score(true, predicted, labels=range(len(STAGES)))
    return {
        "accuracy": 100 * float(accuracy_score(true, predicted)),
        "kappa": float(kappa),
        "MF1": 100 * float(f1_score(true, predicted, **means)),
        "sensitivity": 100 * float(recall_score(true, predicted, **means)),
        "specificity": 100 * float(specificity.mean()),
    }
