"""The five metrics of Table 2, computed from pooled test epochs.

The epochs of all test recordings of all folds are pooled before anything is computed, so each
recording is weighted by its number of epochs.

The sensitivity of a stage that is absent from the true stages is undefined, so the stage is left
out of all three means over stages; epochs misclassified as it still count against their true
stages. With all five stages present the means are those of the paper.
"""

from __future__ import annotations

import numpy as np

from xsleep.core.arrays import Floats, Integers
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.store.predictions import Prediction

METRICS = ("accuracy", "kappa", "MF1", "sensitivity", "specificity")
"""In the order of Table 2; kappa is a fraction, the others are percent."""
CLASS_WISE = ("precision", "sensitivity", "specificity", "F1")
"""Per-class metrics, in percent; sensitivity is also known as recall."""


def decided(prediction: Prediction) -> Integers:
    """Return the predicted stages (n,) of a recording, as indices into ``STAGES``.

    Raises:
        InputError: as for `probabilities`; or a predicted stage is not one of ``STAGES``.
    """
    stages = prediction.predicted
    if stages is None:
        found: Integers = probabilities(prediction).argmax(axis=1)
        return found
    if stages.shape != prediction.stages.shape or not np.isin(stages, range(len(STAGES))).all():
        raise InputError(
            f"{prediction.recording}: predicted stages are not 0 to {len(STAGES) - 1} for "
            f"{len(prediction.stages)} epochs; delete the file and make it again"
        )
    _check_true(prediction)
    return stages


def probabilities(prediction: Prediction, branch: str | None = None) -> Floats:
    """Return the probabilities (n, 5) from which the stages of a recording are predicted.

    They are of the given branch, by default ``joint`` or the only branch of a single-view system.

    Raises:
        InputError: The branch is missing, an epoch has no true stage, or a probability is not
            finite.
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
    _check_true(prediction)
    return values


def _check_true(prediction: Prediction) -> None:
    if not (known := np.isin(prediction.stages, range(len(STAGES)))).all():
        raise InputError(
            f"{prediction.recording}: true stage {prediction.stages[~known][0]} in epoch "
            f"{np.argmin(known)}, not one of 0 to {len(STAGES) - 1}; leave epochs without a stage "
            "out of the test"
        )


def confusion(true: Integers, predicted: Integers) -> Integers:
    """Return the confusion matrix (5, 5) in epochs: true stages in rows, predicted in columns."""
    from sklearn.metrics import confusion_matrix  # slow to import; the rules import this module

    counts: Integers = confusion_matrix(true, predicted, labels=range(len(STAGES)))
    return counts


def measure(true: Integers, predicted: Integers) -> dict[str, float]:
    """Return ``METRICS`` from true and predicted stages (n,), n > 0.

    A metric is NaN where it is undefined: kappa and specificity if there is one stage only.
    """
    return {m: float(value) for m, value in of_confusion(confusion(true, predicted)).items()}


def of_confusion(counts: Floats | Integers) -> dict[str, Floats]:
    """Return the metrics of `measure`, each (...), from confusion matrices (..., 5, 5)."""
    hits, actual, given = _sums(counts)
    total = actual.sum(axis=-1)
    stages = class_wise(counts)
    present = actual > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = hits.sum(axis=-1) / total
        by_chance = (actual * given).sum(axis=-1) / total**2
        kappa = (observed - by_chance) / (1 - by_chance)
        means = [
            np.where(present, stages[name], 0).sum(axis=-1) / present.sum(axis=-1)
            for name in ("F1", "sensitivity", "specificity")
        ]
    return dict(zip(METRICS, (100 * observed, kappa, *means), strict=True))


def class_wise(counts: Floats | Integers) -> dict[str, Floats]:
    """Return ``CLASS_WISE`` by stage, each (..., 5), from confusion matrices (..., 5, 5).

    A metric is NaN where it is undefined (0 / 0).
    """
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


def _sums(counts: Floats | Integers) -> tuple[Floats, Floats, Floats]:
    """Return the correct, the true and the predicted epochs of each stage, each (..., 5)."""
    counts = np.asarray(counts, float)
    return np.einsum("...ii->...i", counts), counts.sum(axis=-1), counts.sum(axis=-2)
