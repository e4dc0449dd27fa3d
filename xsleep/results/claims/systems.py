"""Claims that compare systems: their accuracy, their F1 by stage, and their ensembles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import compress

import numpy as np

from xsleep.core.arrays import Floats, Integers
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results import inference, published
from xsleep.results.claims import base
from xsleep.results.claims.evidence import Case, Evidence, Pair
from xsleep.results.comparisons import paired, shared
from xsleep.results.metrics import class_wise

SMALL = ("SleepEDF-20",)
"""Databases that the paper calls small (Section 5: all others are medium or large)."""
NOT_SMALL = 78
"""Subjects of SleepEDF-78, the smallest database that the paper does not call small; of databases
that are not in the paper, those with fewer are small."""
RELATIVELY_SMALL, LARGE = 200, 944
"""Subjects of MASS and Physio2018, which Section 4.4 names for "relatively small" and "larger"."""

_P = f"p (Wilcoxon over subjects, Holm) below {base.SIGNIFICANT:.2f}"
BEATS = (
    "difference in accuracy: supported where its 95 % interval over seeds and subjects is above 0 "
    f"and {_P}, contradicted where it is below 0 and {_P}, otherwise undecided; {base.FEW}"
)
BEATS_BOTH = f"of each of the two: {BEATS}. Supported where both are, contradicted where one is"
BELOW_ONE = (
    f"of each of the two: {BEATS}. Supported where one is lower, contradicted where both are higher"
)

Sign = Callable[[Case, int], int]
"""Function of a case and its number of subjects: 1 where the paper has a system above all of the
others, -1 where it has it below one of them, 0 where it says nothing."""


def small(case: Case, subjects: int) -> int:
    """Return 1 on databases that are small in the sense of the paper, 0 elsewhere."""
    if case.database in dict(published.database_windows()):
        return int(case.database in SMALL)
    return int(subjects < NOT_SMALL)


def fused(case: Case, subjects: int) -> int:
    """Return 1 where the paper says that Naive Fusion beats both views, -1 elsewhere."""
    named = case.channels == "EEG" and case.database in ("MASS", "Physio2018")
    return 1 if named or case.database == "SHHS" else -1


def better_view(case: Case, subjects: int) -> int:
    """Return 1 where the paper calls ARNN+RNN the better view, -1 for FCNN+RNN, 0 for neither.

    Section 4.4 names SleepEDF-20 and MASS for the one, Physio2018 and SHHS (EEG) for the other,
    and the other channel sets of SHHS as exceptions. It says nothing of SleepEDF-78.
    """
    if case.database == "SHHS":
        return -1 if case.channels == "EEG" else 1
    if case.database == "SleepEDF-78":
        return 0
    return 1 if subjects <= RELATIVELY_SMALL else -1 if subjects >= LARGE else 0


@dataclass(frozen=True, kw_only=True)
class Higher(base.Claim):
    """Claim that a system beats all others, or is below one of them, by ``sign``."""

    sign: Sign = lambda case, subjects: 1
    criterion: str = BEATS

    def margin(self, case: Case) -> float:
        if not (sign := self.sign(case, published.size(*case[:2]).subjects or 0)):
            return np.nan
        best = np.max([base.published_metric(case, other) for other in self.against])
        return float(sign * (base.published_metric(case, self.system) - best))

    def test(self, evidence: Evidence, case: Case) -> base.Finding | None:
        if not (sign := self.sign(case, evidence.subjects(case))):
            return None
        pairs = [self.pair(evidence, case, other) for other in self.against]
        verdicts, whys = zip(*map(self.decide, pairs), strict=True)
        verdict, why = base.UNDECIDED, "; ".join(dict.fromkeys(filter(None, whys)))
        above, below = set(verdicts) == {base.SUPPORTED}, base.CONTRADICTED in verdicts
        if above or below:
            verdict, why = (base.SUPPORTED if above == (sign > 0) else base.CONTRADICTED), ""
        reported = dict.fromkeys(self._figures(case, other) for other in self.against)
        return base.Finding("; ".join(reported), "; ".join(map(_told, pairs)), verdict, why)

    def pair(self, evidence: Evidence, case: Case, against: str) -> Pair:
        """Return the comparison of the accuracies; raise `InputError` where there is none."""
        return evidence.pair(case, self.system, against)

    def decide(self, pair: Pair) -> tuple[str, str]:
        """Return the verdict by ``BEATS`` on a pair, and the reason where it is undecided."""
        low, high, p = pair["95 % from"], pair["95 % to"], pair["p Holm"]
        certain = p < base.SIGNIFICANT
        why = "the interval holds 0" if low <= 0 <= high else f"{base.p_value(p)} after Holm"
        return base.decide(
            pair["seeds"],
            supported=certain and low > 0,
            contradicted=certain and high < 0,
            why="one subject" if np.isnan(low) else why,
        )

    def _figures(self, case: Case, other: str) -> str:
        ours, theirs = (base.published_metric(case, name) for name in (self.system, other))
        if np.isnan(ours - theirs):
            return self.shown
        return f"{ours:.1f} against {theirs:.1f} ({other}): {ours - theirs:+z.1f}"


@dataclass(frozen=True, kw_only=True)
class NotBelow(Higher):
    """Claim that a system is not below another by more than the margin."""

    criterion: str = (
        "difference in accuracy: supported where its 95 % interval over seeds and subjects is "
        f"above -{base.MARGIN} points, contradicted where it is below 0, otherwise undecided; "
        f"{base.FEW}"
    )

    def decide(self, pair: Pair) -> tuple[str, str]:
        return base.decide(
            pair["seeds"],
            supported=pair["95 % from"] > -base.MARGIN,
            contradicted=pair["95 % to"] < 0,
            why=f"the interval holds -{base.MARGIN}",
        )


@dataclass(frozen=True, kw_only=True)
class Repaired(Higher):
    """Claim that the ensemble of its branches beats the joint branch of a system (Appendix D)."""

    def pair(self, evidence: Evidence, case: Case, against: str) -> Pair:
        joint = evidence.result(case, self.system)
        pair = shared(evidence.ensembles[case], joint) if case in evidence.ensembles else None
        if not pair:
            raise InputError(f"no probabilities of the branches of {self.system}")
        values = paired(*pair)["accuracy"]
        return values | {
            "against": against,
            "p Holm": values["p Wilcoxon"],  # a single pair
            "subjects": pair[0].number("subject"),
            "seeds": min(result.number("seed") for result in pair),
        }


@dataclass(frozen=True, kw_only=True)
class Spread(base.Claim):
    """Claim that the gains of a system over the baselines are spread over the stages."""

    overall: str = base.MOST
    shown: str = "Appendix C, not at hand"
    criterion: str = (
        "differences in F1 of the five stages to each of the three baselines: supported where the "
        "95 % intervals over seeds and subjects of three stages or more are above 0 for all "
        "baselines, contradicted where those of three or more are below 0 for one baseline, "
        f"otherwise undecided; {base.FEW}"
    )

    def test(self, evidence: Evidence, case: Case) -> base.Finding:
        ours = evidence.result(case, self.system)
        ends, seeds = [], ours.number("seed")
        for baseline in base.BASELINES:
            if not (pair := shared(ours, evidence.result(case, baseline))):
                raise InputError(f"{self.system} and {baseline} have no subject in common")
            seeds = min(seeds, pair[1].number("seed"))
            first, second = (result.matrices("subject") for result in pair)
            ends.append([*inference.intervals(first, second, measures=_f1).values()])
        low, high = np.moveaxis(np.array(ends), -1, 0)  # (baselines, stages)
        above, below = (low > 0).all(axis=0), high < 0
        told = [f"F1 above all baselines in {', '.join(compress(STAGES, above)) or 'no stage'}"]
        for baseline, stages in zip(base.BASELINES, below, strict=True):
            if stages.any():
                told.append(f"below {baseline} in {', '.join(compress(STAGES, stages))}")
        verdict = base.decide(
            seeds,
            supported=above.sum() > len(STAGES) / 2,
            contradicted=below.sum(axis=1).max() > len(STAGES) / 2,
            why="intervals hold 0",
        )
        measured = f"{'; '.join(told)}, {base.number(seeds, 'seed')}"
        return base.Finding(self.shown, measured, *verdict)


def _f1(counts: Floats | Integers) -> dict[str, Floats]:
    return dict(zip(STAGES, np.moveaxis(class_wise(counts)["F1"], -1, 0), strict=True))


def _told(pair: Pair) -> str:
    return (
        f"{pair['of system']:.1f} against {pair['of against']:.1f} ({pair['against']}): "
        f"{pair['difference']:+z.1f} [{pair['95 % from']:+z.1f}, {pair['95 % to']:+z.1f}], "
        f"{base.p_value(pair['p Holm'])}, {base.number(pair['subjects'], 'subject')}, "
        f"{base.number(pair['seeds'], 'seed')}"
    )
