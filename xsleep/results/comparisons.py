"""Systems compared in pairs over the same subjects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xsleep.core.errors import InputError
from xsleep.results import inference
from xsleep.results.measurements import CASE, SystemResults

COMPARED = ("accuracy", "kappa", "MF1")


def compare(results: Iterable[SystemResults], ratios: Mapping[str, float]) -> pd.DataFrame:
    """Compare every pair of systems of a database, window and channel set on common recordings.

    Args:
        results: In the order in which systems are paired.
        ratios: The `subjects_ratio` of each database.

    Returns:
        A row per pair and metric: the metric of either, their ``difference`` with the ends of its
        95 % interval over seeds and subjects, ``p Wilcoxon`` over the metrics of single subjects,
        averaged over seeds, ``p Holm``: the same adjusted for all pairs of the database, window and
        channel set, ``p corrected t`` over the metrics of folds; ``subjects``, ``folds``,
        ``seeds``. Pairs without a common recording have no row.
    """
    rows: list[dict[str, Any]] = []
    cases: dict[tuple[str, str, str], list[SystemResults]] = {}
    for result in results:
        cases.setdefault(result.case, []).append(result)
    for case, systems in cases.items():
        pairs = [pair for one, other in combinations(systems, 2) if (pair := shared(one, other))]
        blocks = [_compared(*pair, ratios[case[0]]) for pair in pairs]
        for same_metric in zip(*blocks, strict=True):
            corrected = inference.holm(np.array([row["p Wilcoxon"] for row in same_metric]))
            rows += [row | {"p Holm": p} for row, p in zip(same_metric, corrected, strict=True)]
    return pd.DataFrame(rows, columns=COLUMNS)


def rounded(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return text: percentages with two decimals, kappa with four, p values with three digits."""
    table = comparisons.astype(object)
    decimals = [4 if metric == "kappa" else 2 for metric in comparisons["metric"]]
    for column in map(str, comparisons.select_dtypes("float")):
        form = [".3g" if column.startswith("p ") else f"z.{d}f" for d in decimals]
        values = zip(comparisons[column], form, strict=True)
        table[column] = ["" if np.isnan(value) else format(value, form) for value, form in values]
    return table


COLUMNS = [
    *CASE,
    "system",
    "against",
    "metric",
    "of system",
    "of against",
    "difference",
    "95 % from",
    "95 % to",
    "p Wilcoxon",
    "p Holm",
    "p corrected t",
    "subjects",
    "folds",
    "seeds",
]


def shared(one: SystemResults, other: SystemResults) -> tuple[SystemResults, SystemResults] | None:
    """Restrict both to the recordings that both tested; ``None`` if there is none."""
    both = [set(result.counts.index.unique("recording")) for result in (one, other)]
    names = both[0] & both[1]
    return (one.of("recording", names), other.of("recording", names)) if names else None


def paired(one: SystemResults, other: SystemResults) -> dict[str, dict[str, float]]:
    """Compare two systems on the same recordings.

    Returns:
        For each of ``COMPARED`` both values, their ``difference`` with the ends of its 95 %
        interval over seeds and subjects, and ``p Wilcoxon`` over subjects.
    """
    pooled = [inference.estimate(result.matrices()) for result in (one, other)]
    subjects = [result.matrices("subject") for result in (one, other)]
    own = [inference.each(matrices) for matrices in subjects]
    spans = inference.intervals(subjects[0], subjects[1])
    found = {}
    for metric in COMPARED:
        ours, theirs = (values[metric] for values in pooled)
        low, high = spans[metric]
        p = inference.wilcoxon(own[0][metric] - own[1][metric])
        found[metric] = {"of system": ours, "of against": theirs, "difference": ours - theirs}
        found[metric] |= {"95 % from": low, "95 % to": high, "p Wilcoxon": p}
    return found


def _compared(one: SystemResults, other: SystemResults, ratio: float) -> list[dict[str, Any]]:
    """Return a row for each of ``COMPARED``, without p Holm."""
    folds = [inference.each(result.matrices("fold")) for result in (one, other)]
    return [
        dict(zip(CASE, one.case, strict=True))
        | {"system": one.system, "against": other.system, "metric": metric}
        | values
        | {"p corrected t": inference.corrected_t(folds[0][metric] - folds[1][metric], ratio)}
        | {"subjects": one.number("subject"), "folds": one.number("fold")}
        | {"seeds": min(result.number("seed") for result in (one, other))}
        for metric, values in paired(one, other).items()
    ]


def subjects_ratio(folds: Path, role: str = "test") -> float:
    """Return test subjects divided by training subjects, averaged over folds of a ``folds.csv``.

    Args:
        folds: Path of the ``folds.csv``.
        role: ``validation`` for metrics of the validation subjects.

    Raises:
        InputError: The file is missing or invalid.
    """
    try:
        table = pd.read_csv(folds, dtype=str)
        numbers = table.groupby(["role", "fold"])["subject"].nunique().unstack("role")
        return float((numbers[role] / numbers["training"]).mean())
    except (OSError, KeyError, ValueError) as error:
        why = " ".join(str(error).split())
        raise InputError(
            f"{folds}: not a table of folds ({why}); delete it and run again"
        ) from error
