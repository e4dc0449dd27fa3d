"""Claims on published values: reproduced accuracies, average gains and earlier work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xsleep.core.arrays import Floats
from xsleep.core.errors import InputError
from xsleep.results import inference, published
from xsleep.results.claims import base
from xsleep.results.claims.evidence import Case, Evidence
from xsleep.results.metrics import of_confusion


@dataclass(frozen=True, kw_only=True)
class Reproduces(base.Claim):
    """Claim that the measured accuracy of a system is the published one."""

    nowhere: str = "none of its published figures is measured"
    shown: str = "Table 2"
    criterion: str = (
        "mean accuracy of the seeds: supported where two one-sided t-tests over seeds at 5 % have "
        f"it within {base.MARGIN} points of the published one, contradicted where it is further "
        "off than that and than another training would be (95 % prediction interval over seeds), "
        f"otherwise undecided; {base.FEW}. Subjects are not drawn: the published figure is of the "
        f"same. {base.MARGIN} points are half of the smallest average gain that the paper states"
    )

    def test(self, evidence: Evidence, case: Case) -> base.Finding | None:
        theirs = base.published_metric(case, self.system)
        # Values published for "+30 min" belong to the recordings that wrap at midnight only.
        if np.isnan(theirs) or not published.compares(case.window):
            return None
        values = accuracies(evidence, case, self.system)
        told = f"{values.mean():.1f}, {base.number(len(values), 'seed')}"
        return _beside(f"{theirs:.1f}", told, [values], weights=[1.0], theirs=theirs)


@dataclass(frozen=True, kw_only=True)
class Gain(base.Claim):
    """Claim of a mean gain in accuracy of a system over another (Section 4.4)."""

    overall: str = ""
    criterion: str = (
        "mean over the databases, windows and channel sets of Table 2: supported where two "
        f"one-sided t-tests over seeds at 5 % have it within {base.MARGIN} points of the published "
        "mean, contradicted where it is further off than that and than another training of each "
        f"system would be (95 % prediction interval), otherwise undecided; {base.FEW}, and where "
        "not all were run"
    )

    def published(self, cases: Iterable[Case]) -> float:
        """Return the mean published gain over cases, in percentage points."""
        metric, (against,) = base.published_metric, self.against
        return float(np.mean([metric(c, self.system) - metric(c, against) for c in cases]))

    def findings(self, evidence: Evidence) -> dict[Case, base.Finding]:
        """Return the finding on those of the 17 cases of Table 2 that were run."""
        wanted = base.paper_cases()
        # The recordings that wrap at midnight are preferred where both variants were run.
        wrapped = {
            case._replace(window=published.WINDOWS[case.window]): case
            for case in evidence.cases()
            if case.window in published.WINDOWS
        }
        measured: dict[Case, list[Floats]] = {}
        for case in wanted:
            with suppress(InputError):
                measured[case] = [
                    accuracies(evidence, wrapped.get(case, case), name)
                    for name in (self.system, *self.against)
                ]
        reported = f"{self.published(wanted):+.1f}"
        if not measured:
            why = f"none of the {len(wanted)} of Table 2 is run"
            return {base.OVER_ALL: base.Finding(reported, "", base.UNDECIDED, why)}
        groups = [values for pair in measured.values() for values in pair]
        weights = [1 / len(measured), -1 / len(measured)] * len(measured)
        mean = sum(w * group.mean() for w, group in zip(weights, groups, strict=True))
        theirs = self.published(measured)
        told = f"{mean:+z.1f} in {len(measured)} of {len(wanted)}; published in these {theirs:+.1f}"
        missing = len(wanted) - len(measured)
        finding = _beside(reported, told, groups, weights=weights, theirs=theirs, missing=missing)
        return {base.OVER_ALL: finding}


@dataclass(frozen=True, kw_only=True)
class Outperforms(base.Claim):
    """Claim that a system is better than earlier work, but on the databases ``excepted``."""

    excepted: Sequence[str] = ()
    nowhere: str = "no database and channel set is run for which the paper quotes any"
    criterion: str = (
        "the best earlier work that the paper quotes and that is comparable with it (accuracy; "
        "where there is none MF1, then kappa), one figure without a spread: supported where the "
        "95 % interval over seeds and subjects is above it, contradicted where it is below it, "
        f"otherwise undecided; {base.FEW}"
    )

    def margin(self, case: Case) -> float:
        if not (best := _best_earlier(case)):
            return np.nan
        metric, _, value = best
        return base.published_metric(case, self.system, metric) - value

    def test(self, evidence: Evidence, case: Case) -> base.Finding | None:
        if case.database in self.excepted or not (best := _best_earlier(case)):
            return None
        metric, name, value = best
        ours = base.published_metric(case, self.system, metric)
        result = evidence.result(case, self.system)
        mean, low, high = result.estimates()[metric]
        form = ".3f" if metric == "kappa" else ".1f"
        told = f"{metric} {mean:{form}} [{low:{form}}, {high:{form}}]"
        verdict = base.decide(
            result.number("seed"),
            supported=low > value,
            contradicted=high < value,
            why="the interval holds the other figure",
        )
        return base.Finding(
            f"{metric} {ours:{form}}, {name} {value:{form}}",
            f"{told}, {base.number(result.number('seed'), 'seed')}",
            *verdict,
        )


def accuracies(evidence: Evidence, case: Case, system: str) -> Floats:
    """Return the accuracy (seeds,) of a system in percent."""
    return of_confusion(evidence.result(case, system).matrices())["accuracy"]


def _beside(
    reported: str,
    told: str,
    groups: Sequence[Floats],
    *,
    weights: Sequence[float],
    theirs: float,
    missing: int = 0,
) -> base.Finding:
    """Return the finding on a weighted sum of accuracies (seeds,) beside a published value."""
    seeds = min(map(len, groups))
    if seeds < base.SEEDS:
        return base.Finding(reported, told, *base.decide(seeds))
    found = inference.beside(groups, weights, theirs)
    told += (
        f": {found.difference:+z.2f}, within {found.within:.2f}; another training within "
        f"{found.expected:.2f}"
    )
    if missing:
        return base.Finding(reported, told, base.UNDECIDED, f"{missing} are not run")
    verdict = base.decide(
        seeds,
        supported=found.within < base.MARGIN,
        contradicted=abs(found.difference) > max(base.MARGIN, found.expected),
        why=f"known to be within {found.within:.1f} only; more seeds would tell",
    )
    return base.Finding(reported, told, *verdict)


def _best_earlier(case: Case) -> tuple[str, str, float] | None:
    """Return metric, name and value of the best earlier work that the paper compares with."""
    where = (case.database, published.WINDOWS.get(case.window, case.window))
    earlier = {
        row.system: row.values[case.channels]
        for row in published.rows()
        if (row.database, row.window) == where
        and row.authors != published.OURS
        and not row.dagger
        and case.channels in row.values
    }
    for metric in ("accuracy", "MF1", "kappa"):
        values = pd.Series({name: row[metric] for name, row in earlier.items()}, dtype=float)
        if values.notna().any():
            return metric, str(values.idxmax()), float(values.max())
    return None
