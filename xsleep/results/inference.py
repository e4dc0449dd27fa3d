"""How sure one can be: intervals over subjects and seeds, and paired tests of systems.

Everything starts from confusion matrices, one for each subject or fold, because metrics are of
pooled epochs. Epochs of a night are alike, so that subjects are drawn, never epochs. With several
seeds the networks are drawn as well: an interval says where the metric of other subjects and other
trainings would be. With one seed it is that of the networks as they were trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from xsleep.results.metrics import of_confusion

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


Measures = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""Metrics (...) of confusion matrices (..., 5, 5)."""


def intervals(
    matrices: np.ndarray, against: np.ndarray | None = None, measures: Measures = of_confusion
) -> dict[str, tuple[float, float]]:
    """Bootstrap-t interval of each metric, or of the difference of two systems' metrics.

    Subjects are drawn with replacement, ``RESAMPLES`` times, the same for every seed and for both
    systems. An error is divided by its own standard error, which is that of the jackknife's
    pseudo-values of the subjects drawn (Efron and Tibshirani, An Introduction to the Bootstrap,
    1993, 12.5 and 11.5). Seeds are few: drawn with replacement, three are the same one in a ninth
    of the draws. So they are drawn from the normal distribution with the deviation that they have;
    those of two systems are drawn apart. ``benchmarks/coverage.py`` measures the coverage, beside
    that of percentiles and of BCa.

    Args:
        matrices: (seeds, subjects, 5, 5) epochs.
        against: those of the other system, of the same subjects, its seeds as many as there are.

    Returns:
        The ends of the ``LEVEL`` interval of the mean over the seeds, within what the metric can
        be; NaN of fewer than two subjects. With two or three subjects mostly all that it can be.
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
        low, high = _bootstrap_t(value, drawn, without, [one[metric][0] for one in found], draws)
        least, most = (-1, 1) if metric == "kappa" else (0, 100)
        if against is not None:
            least, most = least - most, most - least
        ends[metric] = (float(np.clip(low, least, most)), float(np.clip(high, least, most)))
    return ends


def _drawn(matrices: np.ndarray, draws: np.ndarray, measures: Measures) -> dict[str, tuple]:
    """Of each metric: by seed; their mean; that of the subjects drawn; that without each one."""
    flat = matrices.reshape(*matrices.shape[:2], -1).astype(float)
    pooled = flat.sum(axis=1, keepdims=True)
    parts = [
        measures(sums.reshape(*sums.shape[:2], *matrices.shape[2:]))
        for sums in (pooled, draws @ flat, pooled - flat)
    ]
    return {
        metric: (values[:, 0], values.mean(), *(part[metric].mean(axis=0) for part in parts[1:]))
        for metric, values in parts[0].items()
    }


def _bootstrap_t(
    value: float,
    drawn: np.ndarray,
    without: np.ndarray,
    seeds: Sequence[np.ndarray],
    draws: np.ndarray,
) -> tuple[float, float]:
    """Ends of the interval of a value.

    Args:
        drawn: (``RESAMPLES``,) the value of the subjects drawn, NaN where it does not exist.
        without: (subjects,) the value without each subject.
        seeds: for each system its metric by seed.
        draws: how often each subject is drawn, (``RESAMPLES``, subjects).
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
    return tuple(np.round([value - high * deviation, value - low * deviation], DECIMALS) + 0.0)


@lru_cache(maxsize=4)
def _draws(subjects: int) -> np.ndarray:
    """How often each subject is drawn, (``RESAMPLES``, subjects)."""
    random = np.random.default_rng(1)
    return random.multinomial(subjects, np.full(subjects, 1 / subjects), RESAMPLES).astype(float)


@lru_cache(maxsize=8)
def _seed_draws(seeds: int, system: int) -> tuple[np.ndarray, np.ndarray]:
    """Error of the mean of normal values and its estimated variance, of true variance 1."""
    random = np.random.default_rng([2, system])
    return random.standard_normal(RESAMPLES), random.chisquare(seeds - 1, RESAMPLES) / (seeds - 1)


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


@dataclass(frozen=True)
class Beside:
    """A mean over seeds beside a published value.

    Attributes:
        difference: the mean less the published value.
        within: it is known to be less than this (two one-sided t-tests at 5 % each).
        expected: how far the value of one more training may be (95 % prediction interval).
    """

    difference: float
    within: float
    expected: float


def beside(groups: Sequence[np.ndarray], weights: Sequence[float], published: float) -> Beside:
    """A weighted sum of means over seeds beside a published value, which is of one training each.

    Args:
        groups: for each system its values (seeds,), two or more.
        weights: of each group; variances add up, and degrees of freedom are those of Welch and
            Satterthwaite.
    """
    means, squares = (np.array([f(group) for group in groups]) for f in (np.mean, _squares))
    weights, counts = np.array(weights), np.array([len(group) for group in groups])
    parts = weights**2 * squares / counts
    degrees = parts.sum() ** 2 / (parts**2 / (counts - 1)).sum() if parts.any() else 1.0
    difference = float(weights @ means - published)
    error, further = np.sqrt(parts.sum()), np.sqrt((weights**2 * squares * (1 + 1 / counts)).sum())
    within = abs(difference) + stats.t.ppf(LEVEL, degrees) * error
    expected = stats.t.ppf((1 + LEVEL) / 2, degrees) * further
    return Beside(difference, float(within), float(expected))


def _squares(values: np.ndarray) -> float:
    return float(np.var(values, ddof=1))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _deviation(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan
