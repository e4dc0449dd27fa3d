"""Claims on published values: reproduced accuracies, average gains and earlier work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from xsleep.core.arrays import Floats
from xsleep.core.errors import InputError
from xsleep.results import inference, published
from xsleep.results.claims.evidence import (
    BASELINES,
    CONTRADICTED,
    FEW,
    MARGIN,
    SUPPORTED,
    UNDECIDED,
    XSLEEPNETS,
    Case,
    Claim,
    Evidence,
    Finding,
    few,
    number,
    paper_cases,
    published_accuracy,
)
from xsleep.results.claims.systems import SMALL
from xsleep.results.metrics import of_confusion
from xsleep.results.published import OURS

GAINED = (
    "mean over the databases, windows and channel sets of Table 2: supported where two one-sided "
    f"t-tests over seeds at 5 % have it within {MARGIN} points of the published mean, contradicted "
    f"where it is further off than that and than another training of each system would be (95 % "
    f"prediction interval), otherwise undecided; {FEW}, and where not all were run"
)
REPRODUCED = (
    "mean accuracy of the seeds: supported where two one-sided t-tests over seeds at 5 % have it "
    f"within {MARGIN} points of the published one, contradicted where it is further off than that "
    "and than another training would be (95 % prediction interval over seeds), otherwise "
    f"undecided; {FEW}. Subjects are not drawn: the published figure is of the same. {MARGIN} "
    "points are half of the smallest average gain that the paper states"
)
OUTPERFORMS = (
    "the best earlier work that the paper quotes and that is comparable with it (accuracy; where "
    "there is none MF1, then kappa), one figure without a spread: supported where the 95 % "
    "interval over seeds and subjects is above it, contradicted where it is below it, otherwise "
    f"undecided; {FEW}"
)


def reproduces(evidence: Evidence, case: Case, system: str) -> Finding | None:
    """Test by ``REPRODUCED`` whether an accuracy of Table 2 is reproduced."""
    theirs = published_accuracy(case, system)
    # Values published for "+30 min" belong to the recordings that wrap at midnight only.
    if np.isnan(theirs) or case.window in published.WINDOWS.values():
        return None
    accuracies = _accuracies(evidence, case, system)
    told = f"{accuracies.mean():.1f}, {number(len(accuracies), 'seed')}"
    if lacking := few(len(accuracies)):
        return Finding(f"{theirs:.1f}", told, UNDECIDED, lacking)
    found = inference.beside([accuracies], [1.0], theirs)
    verdict, why = _same(found)
    return Finding(f"{theirs:.1f}", f"{told}: {_apart(found)}", verdict, why)


def _accuracies(evidence: Evidence, case: Case, system: str) -> Floats:
    """Return the accuracy (seeds,) of a system in percent."""
    return of_confusion(evidence.result(case, system).matrices())["accuracy"]


def _same(found: inference.Beside) -> tuple[str, str]:
    if found.within < MARGIN:
        return SUPPORTED, ""
    if abs(found.difference) > max(MARGIN, found.expected):
        return CONTRADICTED, ""
    return UNDECIDED, f"known to be within {found.within:.1f} only; more seeds would tell"


def _apart(found: inference.Beside) -> str:
    return (
        f"{found.difference:+z.2f}, within {found.within:.2f}; another training within "
        f"{found.expected:.2f}"
    )


def published_gain(system: str, against: str, cases: Iterable[Case] | None = None) -> float:
    """Return the mean published gain in accuracy over cases, in percentage points.

    By default these are the 17 cases of Table 2, including both windows of Sleep-EDF, which give
    the averages of Section 4.4.
    """
    gains = [
        published_accuracy(case, system) - published_accuracy(case, against)
        for case in cases or paper_cases()
    ]
    return float(np.mean(gains))


def gains(evidence: Evidence) -> list[tuple[Claim, Case, Finding]]:
    """Test by ``GAINED`` the six average gains of Section 4.4, on the cases of Table 2 run."""
    wanted = paper_cases()
    ran = {
        Case(case.database, published.WINDOWS[case.window], case.channels): case
        for case in evidence.cases()
        if case.window in published.WINDOWS
    }
    rows = []
    for system in XSLEEPNETS[::-1]:
        for against in BASELINES:
            groups: dict[Case, list[Floats]] = {}
            for case in wanted:
                # Prefer the recordings that wrap at midnight where both variants were run.
                measured = ran.get(case, case)
                try:
                    groups[case] = [
                        _accuracies(evidence, measured, name) for name in (system, against)
                    ]
                except InputError:
                    continue
            gain = published_gain(system, against)
            claim = Claim(
                f"{system} gains {gain:.1f} points over {against} on average",
                "4.4",
                GAINED,
                lambda evidence, case: None,
                overall="",
            )
            reported = f"{gain:+.1f}"
            finding = _gain(reported, groups, len(wanted), system=system, against=against)
            rows.append((claim, Case("all", "", ""), finding))
    return rows


def _gain(
    reported: str, groups: Mapping[Case, list[Floats]], wanted: int, *, system: str, against: str
) -> Finding:
    if not groups:
        return Finding(reported, "", UNDECIDED, f"none of the {wanted} of Table 2 is run")
    values = [group for pair in groups.values() for group in pair]
    weights = [1 / len(groups), -1 / len(groups)] * len(groups)
    seeds = min(map(len, values))
    mean = sum(w * group.mean() for w, group in zip(weights, values, strict=True))
    theirs = published_gain(system, against, groups)
    told = f"{mean:+z.1f} in {len(groups)} of {wanted}; published in these {theirs:+.1f}"
    if lacking := few(seeds):
        return Finding(reported, told, UNDECIDED, lacking)
    found = inference.beside(values, weights, theirs)
    told += f": {_apart(found)}"
    if len(groups) < wanted:
        return Finding(reported, told, UNDECIDED, f"{wanted - len(groups)} are not run")
    return Finding(reported, told, *_same(found))


def _best_earlier(case: Case) -> tuple[str, str, float] | None:
    """Return metric, name and value of the best earlier work that the paper compares with."""
    window = published.WINDOWS.get(case.window, case.window)
    rows = [
        row
        for row in published.rows()
        if (row.database, row.window) == (case.database, window)
        and row.authors != OURS
        and not row.dagger
        and case.channels in row.values
    ]
    for metric in ("accuracy", "MF1", "kappa"):
        values = {row.system: row.values[case.channels][metric] for row in rows}
        if values := {name: value for name, value in values.items() if np.isfinite(value)}:
            best = max(values, key=values.__getitem__)
            return metric, best, values[best]
    return None


def reported_outperforms(case: Case, system: str) -> float:
    """Return the published margin of a system over the best earlier work, or NaN."""
    best = _best_earlier(case)
    values = published.published(case.database, case.window, system, case.channels)
    return values[best[0]] - best[2] if best and values else np.nan


def outperforms(evidence: Evidence, case: Case, system: str) -> Finding | None:
    """Test by ``OUTPERFORMS`` whether a system is better than the best earlier work."""
    if not (best := _best_earlier(case)) or (system == "FCNN+RNN" and case.database in SMALL):
        return None
    metric, name, value = best
    decimals = 3 if metric == "kappa" else 1
    ours = (published.published(*case[:2], system, case.channels) or {}).get(metric, np.nan)
    reported = f"{metric} {ours:.{decimals}f}, {name} {value:.{decimals}f}"
    result = evidence.result(case, system)
    mean = inference.estimate(result.matrices())[metric]
    low, high = inference.intervals(result.matrices("subject"))[metric]
    seeds = result.number("seed")
    told = (
        f"{metric} {mean:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}], "
        f"{number(seeds, 'seed')}"
    )
    if lacking := few(seeds):
        return Finding(reported, told, UNDECIDED, lacking)
    if low > value or high < value:
        return Finding(reported, told, SUPPORTED if low > value else CONTRADICTED)
    return Finding(reported, told, UNDECIDED, "the interval holds the other figure")
