"""Statistical inference: intervals over subjects and seeds, and paired tests of systems.

Everything is computed from confusion matrices, one per subject or fold, because metrics are of
pooled epochs. Epochs of a recording are correlated, so subjects are resampled, never epochs. With
several seeds the variance over seeds is included: the interval is that of the metric for other
subjects and other trainings. With one seed it is conditional on the networks as trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from xsleep.core.arrays import Doubles, Floats, Integers
from xsleep.results.metrics import of_confusion

RESAMPLES = 5000
LEVEL = 0.95

DECIMALS = 9
"""Precision of differences of metrics. Metrics are at most 100 and take some 50 operations in
double precision with a relative error of 1.1e-16 each: differences are exact to 1e-12. Accuracies
are fractions of counts: differences of two subjects with n and m epochs, averaged over s seeds, are
equal or at least 100/(s n m) apart, 1e-6 with 10 seeds of 3,000 epochs."""


def estimate(matrices: Floats | Integers) -> dict[str, float]:
    """Return each metric's mean over the seeds of (seeds, 5, 5) matrices; NaN without seeds."""
    metrics = of_confusion(matrices).items()
    return {metric: float(values.mean()) if len(values) else np.nan for metric, values in metrics}


def deviation_over_seeds(matrices: Floats | Integers) -> dict[str, float]:
    """Return each metric's standard deviation over the seeds of (seeds, 5, 5); NaN for one."""
    metrics = of_confusion(matrices).items()
    return {m: float(values.std(ddof=1)) if len(values) > 1 else np.nan for m, values in metrics}


Measures = Callable[[NDArray[Any]], Mapping[str, Floats]]
"""Function that computes metrics (...) from confusion matrices (..., 5, 5)."""


def intervals(
    matrices: Floats | Integers,
    against: Floats | Integers | None = None,
    measures: Measures = of_confusion,
    *,
    same_seeds: bool = False,
) -> dict[str, tuple[float, float]]:
    """Compute the bootstrap-t interval of each metric, or of its difference between two systems.

    Subjects are drawn with replacement, ``RESAMPLES`` times, the same for every seed and for both
    systems. Each error is studentised by the standard error of the jackknife pseudo-values of the
    subjects drawn (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, 12.5 and 11.5).
    Seeds are too few to be resampled; their errors are drawn from the normal distribution with the
    observed standard deviation, independently for two systems.

    Args:
        matrices: Confusion matrices (seeds, subjects, 5, 5) in epochs.
        against: Those of the other system, for the same subjects and any number of seeds.
        same_seeds: Whether both are of the same trainings, seed by seed, whose differences are then
            what varies.

    Returns:
        Metric to the ends of the ``LEVEL`` interval of the mean over seeds, clipped to the range of
        the metric; NaN for fewer than two subjects. With two or three subjects mostly that range.
    """
    systems = [matrices] if against is None else [matrices, against]
    subjects = matrices.shape[1]
    if subjects < 2:
        return dict.fromkeys(measures(np.empty((0, 5, 5))), (np.nan, np.nan))
    draws = _draws(subjects)
    found = [_drawn(one, draws, measures) for one in systems]
    ends = {}
    for metric in found[0]:
        value, drawn, without = (
            parts[0] if against is None else parts[0] - parts[1]
            for parts in zip(*(one[metric][1:] for one in found), strict=True)
        )
        seeds = [one[metric][0] for one in found]
        if same_seeds:
            seeds = [seeds[0] - seeds[1]]
        interval = _bootstrap_t(value, drawn, without, seeds=seeds, draws=draws)
        limits = np.array((-1, 1) if metric == "kappa" else (0, 100))
        if against is not None:
            limits = limits - limits[::-1]
        low, high = np.clip(interval, *limits).tolist()
        ends[metric] = low, high
    return ends


def _drawn(
    matrices: Floats | Integers, draws: Doubles, measures: Measures
) -> dict[str, tuple[Floats, float, Floats, Floats]]:
    """Return each metric by seed, its mean, and the means of each draw and without each subject."""
    flat = matrices.reshape(*matrices.shape[:2], -1).astype(float)
    pooled = flat.sum(axis=1, keepdims=True)
    whole, drawn, without = (
        measures(sums.reshape(*sums.shape[:2], *matrices.shape[2:]))
        for sums in (pooled, draws @ flat, pooled - flat)
    )
    return {
        m: (values[:, 0], values.mean(), drawn[m].mean(axis=0), without[m].mean(axis=0))
        for m, values in whole.items()
    }


def _bootstrap_t(
    value: float, drawn: Floats, without: Floats, *, seeds: Sequence[Floats], draws: Doubles
) -> tuple[float, float]:
    """Return the ends of the interval of a value over all subjects.

    ``drawn`` is the value of each draw (``RESAMPLES``,), ``without`` that without each subject
    (subjects,), ``seeds`` the metric by seed of each system, ``draws`` as from `_draws`.
    """
    if np.isnan(value):
        return np.nan, np.nan
    n = len(without)
    pseudo = (n - 1) * np.nan_to_num(value - without)
    pseudo -= pseudo.mean()
    variance = pseudo @ pseudo / (n - 1) / n
    variances = (draws @ pseudo**2 / n - (draws @ pseudo / n) ** 2) / (n - 1)
    errors = without_rounding(drawn - value)
    for system, values in enumerate(seeds):
        if (k := len(values)) > 1:
            of_mean = values.var(ddof=1) / k
            errors_of_mean, variances_of_mean = _seed_draws(k, system)
            errors = errors + np.sqrt(of_mean) * errors_of_mean
            variance, variances = variance + of_mean, variances + of_mean * variances_of_mean
    deviation, deviations = (
        np.where(v > 100.0**-DECIMALS, np.sqrt(np.abs(v)), 0) for v in (variance, variances)
    )
    if not deviation:
        return value, value
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(errors == 0, 0, errors / deviations)
    t = np.sort(t[~np.isnan(t)])
    low, high = (t[round(share * (len(t) - 1))] for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    ends = np.round([value - high * deviation, value - low * deviation], DECIMALS) + 0.0
    return ends[0], ends[1]


@lru_cache(maxsize=4)
def _draws(subjects: int) -> Doubles:
    """Return how often each draw holds each subject, (``RESAMPLES``, subjects)."""
    random = np.random.default_rng(1)
    return random.multinomial(subjects, np.full(subjects, 1 / subjects), RESAMPLES).astype(float)


@lru_cache(maxsize=8)
def _seed_draws(seeds: int, system: int) -> tuple[Doubles, Doubles]:
    """Draw errors of the mean of normal values and their estimated variances (true variance 1)."""
    random = np.random.default_rng([2, system])
    return random.standard_normal(RESAMPLES), random.chisquare(seeds - 1, RESAMPLES) / (seeds - 1)


def each(matrices: Floats | Integers) -> dict[str, Floats]:
    """Return the metrics (n,) of n subjects or folds from (seeds, n, 5, 5), averaged over seeds."""
    return {metric: values.mean(axis=0) for metric, values in of_confusion(matrices).items()}


def without_rounding(differences: Floats) -> Floats:
    """Return differences of metrics (n,), zero or tied where exact arithmetic would have them so.

    Of sorted absolute values, those within 10^-``DECIMALS`` of the preceding one are set equal to
    the smallest of their group.
    """
    sizes = np.abs(differences)
    order = np.argsort(sizes)  # NaN are sorted last
    ascending = np.append(0, sizes[order])
    apart = ~(np.diff(ascending) <= 10.0**-DECIMALS)
    smallest = np.maximum.accumulate(np.where(apart, np.arange(1, len(ascending)), 0))
    sizes[order] = ascending[smallest].round(DECIMALS)
    corrected: Floats = np.sign(differences) * sizes
    return corrected


def wilcoxon(differences: Floats) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test of paired differences.

    NaN differences (subjects whose metric is undefined) are left out; p is NaN if none is left. A
    p that underflows is the smallest normal double, not 0.
    """
    differences = without_rounding(differences[np.isfinite(differences)])
    if not len(differences):
        return np.nan
    if not differences.any():
        return 1.0
    return max(float(stats.wilcoxon(differences).pvalue), np.finfo(float).tiny)


def holm(p: Floats) -> Doubles:
    """Return p values adjusted by Holm's step-down procedure; NaN are not counted."""
    corrected = np.full(len(p), np.nan)
    order = np.argsort(p)[: np.isfinite(p).sum()]  # NaN are sorted last
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return corrected


def corrected_t(differences: Floats, ratio: float) -> float:
    """Return the two-sided p of the corrected resampled t-test (Nadeau and Bengio, 2003) of folds.

    Folds share most of their training subjects, so the factor of the variance of the mean of the
    differences (k,) is 1/k + ``ratio``, test subjects over training subjects, instead of 1/k. NaN
    differences are left out; p is NaN for fewer than two folds, 1 if nothing differs.
    """
    differences = without_rounding(differences[np.isfinite(differences)])
    k = len(differences)
    if k < 2:
        return np.nan
    if not np.ptp(differences):
        return 0.0 if differences[0] else 1.0
    t = differences.mean() / np.sqrt((1 / k + ratio) * differences.var(ddof=1))
    return float(2 * stats.t.sf(abs(t), k - 1))


@dataclass(frozen=True)
class Beside:
    """Comparison of a mean over seeds with a published value.

    Attributes:
        difference: The mean minus the published value.
        within: Smallest margin of equivalence (two one-sided t-tests at 5 % each).
        expected: Half-width of the 95 % prediction interval of one more training.
    """

    difference: float
    within: float
    expected: float


def beside(groups: Sequence[Floats], weights: Sequence[float], published: float) -> Beside:
    """Compare a weighted sum of means over seeds with a published value, of one training each.

    Each group has the values (seeds,) of a system, two or more. Variances add up, and the degrees
    of freedom are those of Welch and Satterthwaite.
    """
    factors, counts = np.array(weights), np.array([len(group) for group in groups])
    means = np.array([np.mean(group) for group in groups])
    squares = np.array([np.var(group, ddof=1) for group in groups])
    parts = factors**2 * squares / counts
    degrees = parts.sum() ** 2 / (parts**2 / (counts - 1)).sum() if parts.any() else 1.0
    difference = float(factors @ means - published)
    error, further = np.sqrt(parts.sum()), np.sqrt((factors**2 * squares * (1 + 1 / counts)).sum())
    within = abs(difference) + stats.t.ppf(LEVEL, degrees) * error
    expected = stats.t.ppf((1 + LEVEL) / 2, degrees) * further
    return Beside(difference, float(within), float(expected))
