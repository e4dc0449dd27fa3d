"""Systems compared in pairs over the same subjects, and what becomes of the paper's claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from xsleep import statistics
from xsleep.errors import InputError
from xsleep.outcomes import CASE, Cell, Outcome
from xsleep.published import CHANNELS, database_windows, published

COMPARED = ("accuracy", "kappa", "MF1")

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"

SIGNIFICANT = 1 - statistics.LEVEL
MARGIN = 0.5
"""Percent points of accuracy by which a system that is "at least" another may be below it."""
SMALL = 100
"""Subjects below which a database is small."""
SMALL_PUBLISHED = ("SleepEDF-20", "SleepEDF-78")
"""Databases of the paper that are."""
OVERFITTED = 0.05
"""Rise of the validation loss above its minimum, relative to it, from which a view overfits."""

BEATS = (
    "difference in accuracy: supported where its 95 % interval is above 0 and p (Wilcoxon, Holm) "
    f"below {SIGNIFICANT:.2f}, contradicted where it is below 0 and p below {SIGNIFICANT:.2f}, "
    "otherwise undecided"
)
AT_LEAST = (
    f"difference in accuracy, where fewer than {SMALL} subjects are tested: supported where its "
    f"95 % interval is above -{MARGIN} points, else contradicted where it is below 0, otherwise "
    "undecided"
)
PREVENTS = (
    "rise of the raw view's validation loss, its mean over the last tenth of the evaluations "
    "relative to its minimum less one, of FCNN+RNN, which has this view alone, and of the raw "
    "branch, to the last step that both reached: supported where FCNN+RNN overfits (rises by "
    f"{OVERFITTED:.0%} or more), the branch rises less, and p (corrected t over folds) is below "
    f"{SIGNIFICANT:.2f}, contradicted where the branch overfits and rises more and p is below "
    f"{SIGNIFICANT:.2f}, otherwise undecided. Naive Fusion has no loss of the raw view"
)


def compare(outcomes: Iterable[Outcome], ratios: Mapping[str, float]) -> pd.DataFrame:
    """Every pair of systems on one database, window and channel set, on what both tested.

    Args:
        outcomes: in the order in which systems are paired.
        ratios: per database subjects that test over subjects that train, as `subjects_ratio`.

    Returns:
        A row per pair and metric: the metric of either, their ``difference`` with the ends of its
        95 % interval (subjects drawn in pairs), ``p Wilcoxon`` over the subjects' own metrics,
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
            corrected = statistics.holm(np.array([row["p Wilcoxon"] for row in same_metric]))
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
    ends of its 95 % interval (subjects drawn in pairs), and ``p Wilcoxon`` over subjects."""
    pair = one, other
    pooled = [statistics.estimate(outcome.matrices()) for outcome in pair]
    subjects = [outcome.matrices("subject") for outcome in pair]
    own = [statistics.each(matrices) for matrices in subjects]
    drawn = [statistics.resampled(matrices) for matrices in subjects]
    found = {}
    for metric in COMPARED:
        ours, theirs = (values[metric] for values in pooled)
        low, high = statistics.interval(
            statistics.without_rounding(drawn[0][metric] - drawn[1][metric])
        )
        p = statistics.wilcoxon(own[0][metric] - own[1][metric])
        found[metric] = {"of system": ours, "of against": theirs, "difference": ours - theirs}
        found[metric] |= {"95 % from": low, "95 % to": high, "p Wilcoxon": p}
    return found


def _compared(one: Outcome, other: Outcome, ratio: float) -> list[dict]:
    """A row for each of ``COMPARED``, without p Holm."""
    folds = [statistics.each(outcome.matrices("fold")) for outcome in (one, other)]
    return [
        dict(zip(CASE, one.case, strict=True))
        | {"system": one.system, "against": other.system, "metric": metric}
        | values
        | {"p corrected t": statistics.corrected_t(folds[0][metric] - folds[1][metric], ratio)}
        | {"subjects": one.number("subject"), "folds": one.number("fold")}
        | {"seeds": min(outcome.number("seed") for outcome in (one, other))}
        for metric, values in paired(one, other).items()
    ]


def subjects_ratio(folds: Path) -> float:
    """Subjects that test over subjects that train, the mean over the folds of a ``folds.csv``."""
    try:
        table = pd.read_csv(folds, dtype=str)
        numbers = table.groupby(["role", "fold"])["subject"].nunique()
        return float((numbers["test"] / numbers["training"]).mean())
    except (OSError, KeyError, ValueError) as error:
        why = " ".join(str(error).split())
        raise InputError(
            f"{folds}: not a table of folds ({why}); delete it and run again"
        ) from error


def claims(
    comparisons: pd.DataFrame,
    cells: Iterable[Cell],
    ratios: Mapping[str, float],
) -> pd.DataFrame:
    """The paper's claims that can be tested, on each database, window and channel set.

    Args:
        comparisons: as `compare` makes them.
        cells: the runs, of which ``history.csv`` beside the predictions is read.
        ratios: as for `compare`.

    Returns:
        A row per claim and case: ``claim``, the case, what is ``published`` and ``measured``, the
        ``verdict`` (supported, contradicted or undecided), and the ``criterion`` that it follows.
    """
    cases: dict[tuple, list[Cell]] = {}
    for cell in cells:
        cases.setdefault((cell.database, cell.window, cell.channels), []).append(cell)
    rows = []
    for case, runs in cases.items():
        beats = _pair(comparisons, case, "XSleepNet2", "Naive Fusion")
        at_least = _pair(comparisons, case, "XSleepNet2", "XSleepNet1")
        rows.append(_beats(case, beats))
        if at_least is None or at_least["subjects"] < SMALL:
            rows.append(_at_least(case, at_least))
        for system in ("XSleepNet2", "XSleepNet1"):
            rows.append(_prevents(case, system, runs, ratios[case[0]]))
    return pd.DataFrame(rows)


def _pair(comparisons: pd.DataFrame, case: tuple, system: str, against: str) -> pd.Series | None:
    """The comparison of two systems' accuracies; ``None`` where there is none."""
    names = (*case, system, against, "accuracy")
    found = comparisons.set_index([*CASE, "system", "against", "metric"], drop=False)
    return found.loc[names] if names in found.index else None


def _beats(case: tuple, pair: pd.Series | None) -> dict:
    verdict = UNDECIDED
    if pair is not None and pair["p Holm"] < SIGNIFICANT:
        if pair["95 % from"] > 0:
            verdict = SUPPORTED
        elif pair["95 % to"] < 0:
            verdict = CONTRADICTED
    evidence = _published_evidence(case, "XSleepNet2", "Naive Fusion", database_windows())
    return _claim("XSleepNet2 beats Naive Fusion", case, evidence, _evidence(pair), verdict, BEATS)


def _at_least(case: tuple, pair: pd.Series | None) -> dict:
    verdict = UNDECIDED
    if pair is not None:
        if pair["95 % from"] > -MARGIN:
            verdict = SUPPORTED
        elif pair["95 % to"] < 0:
            verdict = CONTRADICTED
    claim = "XSleepNet2 is at least XSleepNet1 on small data"
    places = [place for place in database_windows() if place[0] in SMALL_PUBLISHED]
    evidence = _published_evidence(case, "XSleepNet2", "XSleepNet1", places)
    return _claim(claim, case, evidence, _evidence(pair), verdict, AT_LEAST)


def _prevents(case: tuple, system: str, runs: Sequence[Cell], ratio: float) -> dict:
    verdict = UNDECIDED
    try:
        alone, branch, last = _rises(runs, system)
        p = statistics.corrected_t(alone - branch, ratio)
        overfits, branch_overfits = alone.mean() >= OVERFITTED, branch.mean() >= OVERFITTED
        if p < SIGNIFICANT and overfits and branch.mean() < alone.mean():
            verdict = SUPPORTED
        elif p < SIGNIFICANT and branch_overfits and branch.mean() > alone.mean():
            verdict = CONTRADICTED
        measured = (
            f"{system}: raw branch {branch.mean():+.1%}, FCNN+RNN {alone.mean():+.1%}, to step "
            f"{last}; {_p(p)}, {len(alone)} folds"
        )
    except InputError as error:
        measured = f"{system}: {error}"
    claim = "adaptive blending prevents the overfitting of the raw view"
    return _claim(claim, case, "Fig. 5, drawn only", measured, verdict, PREVENTS)


def _rises(runs: Sequence[Cell], system: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Rise of the raw validation loss of FCNN+RNN and of a system's raw branch, fold by fold.

    Seeds are averaged. Also the last step that is looked at: of all the runs the smallest.
    """
    names = ("FCNN+RNN", system)
    for name in names:
        if name not in {run.system for run in runs}:
            raise InputError(f"{name} is not run")
    losses = {
        name: {(run.seed, run.fold): _raw_losses(run) for run in runs if run.system == name}
        for name in names
    }
    both = sorted(losses["FCNN+RNN"].keys() & losses[system].keys())
    last = min(losses[name][run].index[-1] for name in losses for run in both)
    folds = [fold for _, fold in both]
    rises = (
        pd.Series([_rise(losses[name][run].loc[:last]) for run in both]).groupby(folds).mean()
        for name in losses
    )
    return *(rise.to_numpy() for rise in rises), int(last)


def _raw_losses(run: Cell) -> pd.Series:
    path = run.predictions.parent / "history.csv"
    try:
        losses = pd.read_csv(path).set_index("step")["raw validation loss"]
        if not np.isfinite(losses).all() or losses.empty:
            raise ValueError("a loss that is not finite")
    except (OSError, KeyError, ValueError, TypeError) as error:
        why = " ".join(str(error).split())
        raise InputError(
            f"{path}: no losses of the raw view ({why}); delete the run and train again"
        ) from error
    return losses


def _rise(losses: pd.Series) -> float:
    """How far the last tenth of the losses is above their minimum, relative to it."""
    return losses.iloc[-max(1, round(len(losses) / 10)) :].mean() / losses.min() - 1


def _claim(
    claim: str, case: tuple, published_evidence: str, measured: str, verdict: str, criterion: str
) -> dict:
    return (
        {"claim": claim}
        | dict(zip(CASE, case, strict=True))
        | {"published": published_evidence, "measured": measured}
        | {"verdict": verdict, "criterion": criterion}
    )


def _evidence(pair: pd.Series | None) -> str:
    if pair is None:
        return "not both run"
    return (
        f"{pair['of system']:.1f} against {pair['of against']:.1f}: {pair['difference']:+z.1f} "
        f"[{pair['95 % from']:+z.1f}, {pair['95 % to']:+z.1f}]; {_p(pair['p Holm'])}, "
        f"{pair['subjects']} subjects"
    )


def _published_evidence(
    case: tuple, system: str, against: str, places: Sequence[tuple[str, str]]
) -> str:
    """The published accuracies of this case or, where there are none, of these places."""
    database, window, channels = case
    ours, theirs = (_published_accuracy(database, window, s, channels) for s in (system, against))
    if not np.isnan(ours - theirs):
        return f"{ours:.1f} against {theirs:.1f}: {ours - theirs:+.1f}"
    differences = np.array(
        [
            _published_accuracy(*where, system, channels)
            - _published_accuracy(*where, against, channels)
            for where in places
            for channels in CHANNELS
        ]
    )
    differences = differences[np.isfinite(differences)].round(1)
    return (
        f"not of this; in {', '.join(dict(places))} higher in {(differences > 0).sum()}, equal in "
        f"{(differences == 0).sum()} and lower in {(differences < 0).sum()} of "
        f"{len(differences)}, by {differences.mean():+.1f} in the mean"
    )


def _published_accuracy(database: str, window: str, system: str, channels: str) -> float:
    return (published(database, window, system, channels) or {}).get("accuracy", np.nan)


def _p(p: float) -> str:
    return "p does not exist" if np.isnan(p) else f"p = {p:.2g}"
