"""Systems compared in pairs over the same subjects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xsleep.core.errors import InputError, reason
from xsleep.core.files import read_table
from xsleep.results import inference
from xsleep.results.measurements import CASE, SystemResults

COMPARED = ("accuracy", "kappa", "MF1")

_PAIRED = ("of system", "of against", "difference", "95 % from", "95 % to", "p Wilcoxon")
_COUNTS = ("subjects", "folds", "seeds")
COLUMNS = [*CASE, "system", "against", "metric", *_PAIRED, "p Holm", "p corrected t", *_COUNTS]


def compare(results: Iterable[SystemResults], ratios: Mapping[str, float]) -> pd.DataFrame:
    """Compare every pair of systems of a database, window and channel set on common recordings.

    ``ratios`` is the `subjects_ratio` of each database.

    Returns:
        A row per pair, in the order of the results, and metric: its values and their comparison as
        by `paired`, ``p Holm``: p Wilcoxon adjusted for all pairs of the case, ``p corrected t``
        over the metrics of folds, averaged over seeds; ``subjects``, ``folds``, ``seeds``. Pairs
        without a common recording have no row.
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


def shared(one: SystemResults, other: SystemResults) -> tuple[SystemResults, SystemResults] | None:
    """Restrict both to the recordings that both tested; ``None`` if there is none."""
    both = [set(result.counts.index.unique("recording")) for result in (one, other)]
    names = both[0] & both[1]
    return (one.of("recording", names), other.of("recording", names)) if names else None


def paired(
    one: SystemResults,
    other: SystemResults,
    metrics: Sequence[str] = COMPARED,
    *,
    same_seeds: bool = False,
) -> dict[str, dict[str, float]]:
    """Return for each metric the values of two systems on the same recordings.

    Both values, their ``difference`` with the ends of its 95 % interval over seeds and subjects
    (``same_seeds`` as for `xsleep.results.inference.intervals`), and ``p Wilcoxon`` over subjects.
    """
    pooled = [inference.estimate(result.matrices()) for result in (one, other)]
    subjects = [result.matrices("subject") for result in (one, other)]
    own = [inference.each(matrices) for matrices in subjects]
    spans = inference.intervals(subjects[0], subjects[1], same_seeds=same_seeds)
    found = {}
    for metric in metrics:
        ours, theirs = (values[metric] for values in pooled)
        p = inference.wilcoxon(own[0][metric] - own[1][metric])
        values = (ours, theirs, ours - theirs, *spans[metric], p)
        found[metric] = dict(zip(_PAIRED, values, strict=True))
    return found


def _compared(one: SystemResults, other: SystemResults, ratio: float) -> list[dict[str, Any]]:
    """Return a row for each of ``COMPARED``, without p Holm."""
    folds = [inference.each(result.matrices("fold")) for result in (one, other)]
    return [
        one.names
        | {"against": other.system, "metric": metric}
        | values
        | {"p corrected t": inference.corrected_t(folds[0][metric] - folds[1][metric], ratio)}
        | one.numbers("subjects", "folds")
        | {"seeds": min(one.number("seed"), other.number("seed"))}
        for metric, values in paired(one, other).items()
    ]


def subjects_ratio(folds: Path, role: str = "test") -> float:
    """Return test (or ``validation``) over training subjects, averaged over a ``folds.csv``.

    Raises `InputError` if the file is missing or invalid.
    """
    try:
        table = read_table(folds)
        numbers = table.groupby(["role", "fold"])["subject"].nunique().unstack("role")
        return float((numbers[role] / numbers["training"]).mean())
    except InputError:
        raise
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{folds}: not a table of folds ({reason(error)}); delete it and run again"
        ) from error
