"""How sure one can be: intervals over subjects, and paired tests of systems.

Everything starts from confusion matrices, one for each subject or fold, because metrics are of
pooled epochs. Epochs of a night are alike, so that subjects are drawn, never epochs. What is drawn
over is the subjects that were tested, with the networks as they were trained: how much a network
changes with its seed stands apart.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import stats

from xsleep.metrics import METRICS, of_confusion

RESAMPLES = 5000
LEVEL = 0.95

DECIMALS = 9
"""To which differences of metrics are computed. Metrics are at most 100 and come from some 50
operations in double precision, each right to 1.1e-16 of its result: differences are right to 1e-12.
Accuracies are fractions of counts: differences of two subjects with n and m epochs, means over s
seeds, are the same or at least 100/(s n m) apart, 1e-6 with 10 seeds of 3,000 epochs."""


def estimate(matrices: np.ndarray) -> dict[str, float]:
    """Metrics of confusion matrices (seeds, 5, 5): the mean over the seeds; NaN without any."""
    return {metric: _mean(values) for metric, values in of_confusion(matrices).items()}


def deviation_over_seeds(matrices: np.ndarray) -> dict[str, float]:
    """Standard deviation of each metric of (seeds, 5, 5); NaN of a single seed."""
    return {metric: _deviation(values) for metric, values in of_confusion(matrices).items()}


def resampled(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics (``RESAMPLES``,) of subjects drawn with replacement; as many as there are.

    The same subjects are drawn for every seed, whose metrics are averaged, and for every system
    with as many subjects: the difference of two results is that of paired draws.

    Args:
        matrices: (seeds, subjects, 5, 5) epochs.

    Returns:
        NaN of fewer than two subjects: there is nothing to draw from.
    """
    seeds, subjects = matrices.shape[:2]
    if subjects < 2:
        return dict.fromkeys(METRICS, np.full(RESAMPLES, np.nan))
    pooled = _draws(subjects) @ matrices.reshape(seeds, subjects, -1).astype(float)
    values = of_confusion(pooled.reshape(seeds, RESAMPLES, *matrices.shape[2:]))
    return {metric: value.mean(axis=0) for metric, value in values.items()}


def interval(values: np.ndarray) -> tuple[float, float]:
    """The middle ``LEVEL`` of resampled values, of those that exist; NaN where none does."""
    values = values[np.isfinite(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def intervals(matrices: np.ndarray) -> dict[str, tuple[float, float]]:
    """The interval of each metric of (seeds, subjects, 5, 5)."""
    return {metric: interval(values) for metric, values in resampled(matrices).items()}


@lru_cache(maxsize=4)
def _draws(subjects: int) -> np.ndarray:
    """How often each subject is drawn, (``RESAMPLES``, subjects)."""
    random = np.random.default_rng(1)
    return random.multinomial(subjects, np.full(subjects, 1 / subjects), RESAMPLES).astype(float)


def each(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics (n,) of n subjects or folds (seeds, n, 5, 5), seeds averaged first."""
    return {metric: values.mean(axis=0) for metric, values in of_confusion(matrices).items()}


def without_rounding(differences: np.ndarray) -> np.ndarray:
    """Differences of metrics (n,) that are 0, and tied, where exact arithmetic has them so.

    Sizes that follow one another by less than ``DECIMALS`` tell apart become the smallest of them.
    """
    sizes = np.abs(differences)
    order = np.argsort(sizes)  # NaN are sorted last
    ascending = np.append(0, sizes[order])
    apart = ~(np.diff(ascending) <= 10.0**-DECIMALS)
    smallest = np.maximum.accumulate(np.where(apart, np.arange(1, len(ascending)), 0))
    sizes[order] = ascending[smallest].round(DECIMALS)
    return np.sign(differences) * sizes


def wilcoxon(differences: np.ndarray) -> float:
    """Two-sided p of the signed-rank test of paired differences; NaN without any.

    Subjects for whom a metric does not exist are left out. Where p is too small for a number in
    double precision it is the smallest, not 0.
    """
    differences = without_rounding(differences[np.isfinite(differences)])
    if not len(differences):
        return np.nan
    if not differences.any():
        return 1.0
    return max(float(stats.wilcoxon(differences).pvalue), np.finfo(float).tiny)


def holm(p: np.ndarray) -> np.ndarray:
    """p values corrected for their number by Holm's step-down procedure; NaN are not counted."""
    corrected = np.full(len(p), np.nan)
    order = np.argsort(p)[: np.isfinite(p).sum()]  # NaN are sorted last
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return corrected


def corrected_t(differences: np.ndarray, ratio: float) -> float:
    """Two-sided p of the corrected resampled t-test (Nadeau and Bengio, 2003) over folds.

    Folds share most of their training subjects, so that the variance of their mean is taken for
    larger than that of independent ones: 1/k + ``ratio`` in place of 1/k.

    Args:
        differences: (k,) one for each fold; NaN are left out.
        ratio: subjects that test over subjects that train, in a fold.

    Returns:
        NaN of fewer than two folds, 1 where nothing differs.
    """
    differences = without_rounding(differences[np.isfinite(differences)])
    k = len(differences)
    if k < 2:
        return np.nan
    if not np.ptp(differences):
        return 0.0 if differences[0] else 1.0
    t = differences.mean() / np.sqrt((1 / k + ratio) * differences.var(ddof=1))
    return float(2 * stats.t.sf(abs(t), k - 1))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _deviation(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan
