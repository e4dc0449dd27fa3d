"""Coverage of 95 % intervals, measured in simulated studies with known truth.

    python benchmarks/coverage.py            # ten minutes on one core
    python benchmarks/coverage.py --studies 200

In a study, accuracies of subjects have a standard deviation of 8 points, as in Sleep-EDF
(../shared/reference/README.md), with some 1,000 epochs each in the five stages, and networks vary
with the seed in all subjects and in each of them. The methods compared are

- percentiles of resamples of subjects and, with several, seeds;
- BCa of the same (``scipy.stats.bootstrap``);
- bootstrap-t, as in the tables (``xsleep.results.inference.intervals``).
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from rich.console import Console
from scipy import stats

from xsleep.core.console_table import console_table
from xsleep.results import inference
from xsleep.results.metrics import of_confusion

METRICS = ("accuracy", "kappa", "MF1")
SHARES = np.array([0.25, 0.07, 0.40, 0.12, 0.16])
"""Shares of the stages W, N1, N2, N3, REM."""
EASE = np.array([0.3, -1.6, 0.3, 0.2, 0.1])
"""Ease of each stage: what it adds to the logit of a right answer."""
SUBJECTS, IN_SUBJECT = 0.55, 0.1
"""Deviations of the logit over subjects (8 points of accuracy), and over seeds in one of them."""
POPULATION = 200_000

# subjects, seeds, standard deviation of the logit over seeds (0.1 is 1.6 points), systems
CASES = (
    (8, 1, 0.0, 1),
    (20, 1, 0.0, 1),
    (20, 3, 0.05, 1),
    (20, 1, 0.0, 2),
    (20, 3, 0.05, 2),
    (20, 5, 0.05, 2),
    (78, 3, 0.05, 2),
    (300, 3, 0.02, 2),
)


def study(subjects: int, seeds: int, deviation: float, systems: int, random) -> list[np.ndarray]:
    """Return confusion matrices (seeds, subjects, 5, 5) of equally good systems."""
    epochs = random.integers(700, 1300, subjects)
    stages = random.dirichlet(60 * SHARES, subjects)
    skill = np.log(4) + SUBJECTS * random.standard_normal(subjects)
    confused = (1 - np.eye(5)) * (1, 2, 3, 1, 1)
    confused /= confused.sum(axis=1, keepdims=True)
    found = []
    for _ in range(systems):
        own = IN_SUBJECT * random.standard_normal((seeds, subjects))
        logits = skill + deviation * random.standard_normal((seeds, 1)) + own
        right = 1 / (1 + np.exp(-logits[..., None] - EASE))[..., None]
        rates = stages[..., None] * (np.eye(5) * right + (1 - right) * confused)
        counts = random.multinomial(epochs, rates.reshape(seeds, subjects, 25))
        found.append(counts.reshape(seeds, subjects, 5, 5))
    return found


def value(systems: list[np.ndarray], metric: str) -> np.ndarray:
    """Return the mean over seeds of a metric of counts (..., seeds, 5, 5), or its difference."""
    first, *rest = (of_confusion(counts)[metric].mean(axis=-1) for counts in systems)
    return first - rest[0] if rest else first


def drawn_with_replacement(systems: list[np.ndarray], metric: str, method: str) -> tuple:
    """Return the interval of ``scipy.stats.bootstrap`` over subjects and each system's seeds."""
    seeds, subjects = systems[0].shape[:2]
    flat = [counts.reshape(seeds, subjects, 25).astype(float) for counts in systems]

    def metric_of(subject, *seed, axis=-1):
        weights = np.apply_along_axis(np.bincount, -1, subject, minlength=subjects)
        pooled = [np.moveaxis(weights @ f, 0, -2) for f in flat]  # (..., seeds, 25)
        if seed:
            pooled = [
                np.take_along_axis(p, s[..., None], -2) for p, s in zip(pooled, seed, strict=True)
            ]
        return value([p.reshape(*p.shape[:-1], 5, 5) for p in pooled], metric)

    data = [np.arange(subjects), *([np.arange(seeds)] * len(systems) if seeds > 1 else [])]
    found = stats.bootstrap(
        data, metric_of, method=method, n_resamples=1000, vectorized=True, rng=1
    )
    return tuple(found.confidence_interval)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    studies = parser.parse_args().studies
    error = 100 * np.sqrt(0.95 * 0.05 / studies)
    methods = ("percentile", "BCa", "bootstrap-t")
    shown = console_table(
        f"per cent of {studies:,} intervals that hold the truth (each +-{error:.1f}), and their "
        "mean width",
        ("subjects", "seeds", "of", "metric"),
        tuple(f"{method}{what}" for method in methods for what in ("", " width")),
    )
    for subjects, seeds, deviation, systems in CASES:
        random = np.random.default_rng(1)
        truth = dict.fromkeys(METRICS, 0.0)
        if systems == 1:
            # each subject with a network of its own seed
            drawn = [
                study(POPULATION // 200, 1, deviation, 1, random)[0][0].sum(axis=0)
                for _ in range(200)
            ]
            truth = {
                metric: float(np.mean([of_confusion(one)[metric] for one in drawn]))
                for metric in METRICS
            }
        held, widths = defaultdict(int), defaultdict(float)
        for _ in range(studies):
            ours = study(subjects, seeds, deviation, systems, random)
            t = inference.intervals(*ours)
            for metric in METRICS:
                for method in methods:
                    low, high = (
                        t[metric]
                        if method == "bootstrap-t"
                        else drawn_with_replacement(ours, metric, method)
                    )
                    held[metric, method] += low <= truth[metric] <= high
                    widths[metric, method] += (high - low) / studies
        for metric in METRICS:
            cells = []
            for method in methods:
                decimals = 3 if metric == "kappa" else 1
                cells.append(f"{100 * held[metric, method] / studies:.1f}")
                cells.append(f"{widths[metric, method]:.{decimals}f}")
            of = "a difference" if systems == 2 else "a system"
            shown.add_row(str(subjects), str(seeds), of, metric, *cells)
    Console(width=140).print(shown)


if __name__ == "__main__":
    main()
