"""Systems compared in pairs over the same subjects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from xsleep.core.errors import InputError
from xsleep.results import inference
from xsleep.results.measurements import CASE, Outcome

COMPARED = ("accuracy", "kappa", "MF1")


def compare(outcomes: Iterable[Outcome], ratios: Mapping[str, float]) -> pd.DataFrame:
    """Every pair of systems on one database, window and channel set, on what both tested.

    Args:
        outcomes: in the order in which systems are paired.
        ratios: per database subjects that test over subjects that train, as `subjects_ratio`.

    Returns:
        A row per pair and metric: the metric of either, their ``difference`` with the ends of its
        95 % interval over seeds and subjects, ``p Wilcoxon`` over the subjects' own metrics,
        seeds averaged, ``p Holm``: the same corrected for the pairs of the database, window and
        channel set, ``p corrected t`` over the folds' metrics; ``subjects``, ``folds``, ``seeds``.
        Pairs without a subject in common have none.
    """
    rows: list[dict] = []
    cases: dict[tuple, list[Outcome]] = {}
    for outcome in outcomes:
        cases.setdefault(outcome.case, []).append(outcome)
    for case, systems in cases.items():
        pairs = [pair for one, other in combinations(systems, 2) if (pair := shared(one, other))]
        blocks = [_compared(*pair, ratios[case[0]]) for pair in pairs]
        for same_metric in zip(*blocks, strict=True):
            corrected = inference.holm(np.array([row["p Wilcoxon"] for row in same_metric]))
            rows += [row | {"p Holm": p} for row, p in zip(same_metric, corrected, strict=True)]
    return pd.DataFrame(rows, columns=COLUMNS)


def rounded(comparisons: pd.DataFrame) -> pd.DataFrame:
    """As text: percents with two decimals, kappa with four, p values with three digits."""
    table = comparisons.astype(object)
    for column in comparisons.select_dtypes("float"):
        for line, value in comparisons[column].items():
            if np.isnan(value):
                table.loc[line, column] = ""
            elif column.startswith("p "):
                table.loc[line, column] = f"{value:.3g}"
            else:
                decimals = 4 if table.loc[line, "metric"] == "kappa" else 2
                table.loc[line, column] = f"{value:z.{decimals}f}"
    return table


COLUMNS = [
    *(*CASE, "system", "against", "metric", "of system", "of against", "difference"),
    *("95 % from", "95 % to", "p Wilcoxon", "p Holm", "p corrected t"),
    *("subjects", "folds", "seeds"),
]


def shared(one: Outcome, other: Outcome) -> tuple[Outcome, Outcome] | None:
    """Both with the recordings that both tested; None where there is none."""
    both = [set(outcome.counts.index.unique("recording")) for outcome in (one, other)]
    names = both[0] & both[1]
    return (one.of("recording", names), other.of("recording", names)) if names else None


def paired(one: Outcome, other: Outcome) -> dict[str, dict[str, float]]:
    """Of each of ``COMPARED``, on the same recordings: both values, their ``difference`` with the
    ends of its 95 % interval over seeds and subjects, and ``p Wilcoxon`` over subjects."""
    pooled = [inference.estimate(outcome.matrices()) for outcome in (one, other)]
    subjects = [outcome.matrices("subject") for outcome in (one, other)]
    own = [inference.each(matrices) for matrices in subjects]
    spans = inference.intervals(*subjects)
    found = {}
    for metric in COMPARED:
        ours, theirs = (values[metric] for values in pooled)
        low, high = spans[metric]
        p = inference.wilcoxon(own[0][metric] - own[1][metric])
        found[metric] = {"of system": ours, "of against": theirs, "difference": ours - theirs}
        found[metric] |= {"95 % from": low, "95 % to": high, "p Wilcoxon": p}
    return found


def _compared(one: Outcome, other: Outcome, ratio: float) -> list[dict]:
    """A row for each of ``COMPARED``, without p Holm."""
    folds = [inference.each(outcome.matrices("fold")) for outcome in (one, other)]
    return [
        dict(zip(CASE, one.case, strict=True))
        | {"system": one.system, "against": other.system, "metric": metric}
        | values
        | {"p corrected t": inference.corrected_t(folds[0][metric] - folds[1][metric], ratio)}
        | {"subjects": one.number("subject"), "folds": one.number("fold")}
        | {"seeds": min(outcome.number("seed") for outcome in (one, other))}
        for metric, values in paired(one, other).items()
    ]


def subjects_ratio(folds: Path, role: str = "test") -> float:
    """Subjects that test over subjects that train, the mean over the folds of a ``folds.csv``.

    Args:
        role: ``validation`` for what is measured on the subjects that validate.
    """
    try:
        table = pd.read_csv(folds, dtype=str)
        numbers = table.groupby(["role", "fold"])["subject"].nunique()
        return float((numbers[role] / numbers["training"]).mean())
    except (OSError, KeyError, ValueError) as error:
        why = " ".join(str(error).split())
        raise InputError(
            f"{folds}: not a table of folds ({why}); delete it and run again"
        ) from error
