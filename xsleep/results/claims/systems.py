"""Claims that compare systems: their accuracy, their F1 by stage, and their ensembles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results import inference, published
from xsleep.results.claims.evidence import (
    ALL,
    BASELINES,
    CONTRADICTED,
    FEW,
    MARGIN,
    NOT_PUBLISHED,
    SIGNIFICANT,
    SINGLE_VIEWS,
    SUPPORTED,
    UNDECIDED,
    XSLEEPNETS,
    Case,
    Claim,
    Evidence,
    Finding,
    Pair,
    few,
    number,
    p_value,
    published_accuracy,
)
from xsleep.results.comparisons import paired, shared
from xsleep.results.metrics import class_wise

APPENDIX_C, APPENDIX_D = "Appendix C, not at hand", "Appendix D, not at hand"

SMALL = ("SleepEDF-20",)
"""Databases that the paper calls small (Section 5: all others are medium or large)."""
NOT_SMALL = 78
"""Subjects of SleepEDF-78, the smallest database that the paper does not call small; of databases
that are not in the paper, those with fewer are small."""
RELATIVELY_SMALL, LARGE = 200, 944
"""Subjects of MASS and Physio2018, which Section 4.4 names for "relatively small" and "larger"."""

_P = f"p (Wilcoxon over subjects, Holm) below {SIGNIFICANT:.2f}"
BEATS = (
    "difference in accuracy: supported where its 95 % interval over seeds and subjects is above 0 "
    f"and {_P}, contradicted where it is below 0 and {_P}, otherwise undecided; {FEW}"
)
BEATS_BOTH = f"of each of the two: {BEATS}. Supported where both are, contradicted where one is"
BELOW_ONE = (
    f"of each of the two: {BEATS}. Supported where one is lower, contradicted where both are higher"
)
AT_LEAST = (
    "difference in accuracy: supported where its 95 % interval over seeds and subjects is above "
    f"-{MARGIN} points, contradicted where it is below 0, otherwise undecided; {FEW}"
)
SPREAD = (
    "differences in F1 of the five stages to each of the three baselines: supported where the "
    "95 % intervals over seeds and subjects of three stages or more are above 0 for all "
    "baselines, contradicted where those of three or more are below 0 for one baseline, otherwise "
    f"undecided; {FEW}"
)


def reported_above(
    case: Case, system: str, against: Sequence[str], sign: Callable[[Case], int]
) -> float:
    best = max(
        (published_accuracy(case, other) for other in against), key=lambda x: (np.isnan(x), x)
    )
    return sign(case) * (published_accuracy(case, system) - best) if sign(case) else np.nan


def higher(
    evidence: Evidence,
    case: Case,
    system: str,
    against: Sequence[str],
    *,
    sign: Callable[[Case], int],
) -> Finding | None:
    """Test whether a system beats all others (``sign`` 1) or is below one of them (-1)."""
    wanted = sign(case)
    if not wanted:
        return None
    pairs = [evidence.pair(case, system, other) for other in against]
    verdicts, whys = zip(*(decided(pair) for pair in pairs), strict=True)
    above = all(v == SUPPORTED for v in verdicts)
    below = any(v == CONTRADICTED for v in verdicts)
    verdict = UNDECIDED
    if above or below:
        verdict = SUPPORTED if above == (wanted > 0) else CONTRADICTED
    why = "" if above or below else "; ".join(dict.fromkeys(filter(None, whys)))
    ours = published_accuracy(case, system)
    reported = [_figures(ours, other, published_accuracy(case, other)) for other in against]
    return Finding("; ".join(dict.fromkeys(reported)), "; ".join(map(_told, pairs)), verdict, why)


def decided(pair: Pair) -> tuple[str, str]:
    """Return the verdict by ``BEATS`` on a comparison, and the reason where it is undecided."""
    if lacking := few(pair["seeds"]):
        return UNDECIDED, lacking
    p = pair["p Holm"]
    if p < SIGNIFICANT and pair["95 % from"] > 0:
        return SUPPORTED, ""
    if p < SIGNIFICANT and pair["95 % to"] < 0:
        return CONTRADICTED, ""
    if np.isnan(pair["95 % from"]):
        return UNDECIDED, "one subject"
    held = pair["95 % from"] <= 0 <= pair["95 % to"]
    return UNDECIDED, "the interval holds 0" if held else f"{p_value(p)} after Holm"


def at_least(
    evidence: Evidence, case: Case, sign: Callable[[Evidence, Case], bool]
) -> Finding | None:
    if not sign(evidence, case):
        return None
    pair = evidence.pair(case, *XSLEEPNETS)
    ours, theirs = (published_accuracy(case, system) for system in XSLEEPNETS)
    verdict, why = UNDECIDED, few(pair["seeds"])
    if not why:
        if pair["95 % from"] > -MARGIN:
            verdict = SUPPORTED
        elif pair["95 % to"] < 0:
            verdict = CONTRADICTED
        else:
            why = f"the interval holds -{MARGIN}"
    return Finding(_figures(ours, XSLEEPNETS[1], theirs), _told(pair), verdict, why)


def small(evidence: Evidence, case: Case) -> bool:
    """Return whether a database is small in the sense of the paper."""
    if case.database in dict(published.database_windows()):
        return case.database in SMALL
    return evidence.subjects(case) < NOT_SMALL


def _figures(ours: float, other: str, theirs: float) -> str:
    if np.isnan(ours - theirs):
        return NOT_PUBLISHED
    return f"{ours:.1f} against {theirs:.1f} ({other}): {ours - theirs:+z.1f}"


def _told(pair: Pair) -> str:
    return (
        f"{pair['of system']:.1f} against {pair['of against']:.1f} ({pair['against']}): "
        f"{pair['difference']:+z.1f} [{pair['95 % from']:+z.1f}, {pair['95 % to']:+z.1f}], "
        f"{p_value(pair['p Holm'])}, {number(pair['subjects'], 'subject')}, "
        f"{number(pair['seeds'], 'seed')}"
    )


def everywhere(case: Case) -> int:
    """Return 1, for a claim about all cases."""
    return 1


def but_on_small(case: Case) -> int:
    """Return 0 on small databases, 1 elsewhere."""
    return 0 if case.database in SMALL else 1


def _fusion(case: Case) -> int:
    """Return 1 where the paper says that Naive Fusion beats both views, -1 elsewhere."""
    named = case.channels == "EEG" and case.database in ("MASS", "Physio2018")
    return 1 if named or case.database == "SHHS" else -1


def fused_below(case: Case) -> int:
    """Return -1 where the paper has Naive Fusion below a single view, 0 elsewhere."""
    return min(_fusion(case), 0)


def fused_above(case: Case) -> int:
    """Return 1 where the paper has Naive Fusion above both single views, 0 elsewhere."""
    return max(_fusion(case), 0)


def on_small(case: Case) -> int:
    """Return 1 on small databases, 0 elsewhere."""
    return 1 if case.database in SMALL else 0


def versus(
    text: str,
    section: str,
    system: str,
    against: Sequence[str],
    sign: Callable[[Case], int] = everywhere,
    criterion: str = BEATS,
    overall: str = ALL,
    nowhere: str = "nothing that it is about is run",
) -> Claim:
    return Claim(
        text,
        section,
        criterion,
        partial(higher, system=system, against=against, sign=sign),
        partial(reported_above, system=system, against=against, sign=sign),
        overall,
        nowhere,
    )


def _sized(database: str, channels: str, subjects: int) -> int:
    """Return 1 where the paper calls ARNN+RNN the better view, -1 for FCNN+RNN, 0 for neither.

    Section 4.4 names SleepEDF-20 and MASS for the one, Physio2018 and SHHS (EEG) for the other,
    and the other channel sets of SHHS as exceptions. It says nothing of SleepEDF-78.
    """
    if database == "SHHS":
        return -1 if channels == "EEG" else 1
    if database == "SleepEDF-78":
        return 0
    return 1 if subjects <= RELATIVELY_SMALL else -1 if subjects >= LARGE else 0


def by_size(evidence: Evidence, case: Case) -> Finding | None:
    """Test whether the better single view is the one that the paper names for the size."""
    sign = _sized(case.database, case.channels, evidence.subjects(case))
    return higher(evidence, case, SINGLE_VIEWS[0], SINGLE_VIEWS[1:], sign=lambda _: sign)


def reported_by_size(case: Case) -> float:
    subjects = published.size(case.database, case.window).subjects or 0
    return reported_above(
        case,
        SINGLE_VIEWS[0],
        SINGLE_VIEWS[1:],
        lambda _: _sized(case.database, case.channels, subjects),
    )


def reported_at_least(case: Case, databases: Callable[[str], bool]) -> float:
    ours, theirs = (published_accuracy(case, system) for system in XSLEEPNETS)
    return ours - theirs if databases(case.database) else np.nan


def _f1(counts: np.ndarray) -> dict[str, np.ndarray]:
    values = class_wise(counts)["F1"]
    return {stage: values[..., place] for place, stage in enumerate(STAGES)}


def spread(evidence: Evidence, case: Case, system: str) -> Finding:
    """Test by ``SPREAD`` whether the gains over the baselines are spread over the stages."""
    ours = evidence.result(case, system)
    higher, lower, seeds = [], [], ours.number("seed")
    for baseline in BASELINES:
        pair = shared(ours, evidence.result(case, baseline))
        if not pair:
            raise InputError(f"{system} and {baseline} have no subject in common")
        seeds = min(seeds, pair[1].number("seed"))
        first, second = (result.matrices("subject") for result in pair)
        spans = inference.intervals(first, second, measures=_f1)
        higher.append({stage for stage, (low, _) in spans.items() if low > 0})
        lower.append({stage for stage, (_, high) in spans.items() if high < 0})
    above = [stage for stage in STAGES if all(stage in stages for stages in higher)]
    told = f"F1 above all baselines in {', '.join(above) or 'no stage'}; " + "; ".join(
        f"below {baseline} in {', '.join(s for s in STAGES if s in stages)}"
        for baseline, stages in zip(BASELINES, lower, strict=True)
        if stages
    )
    told = told.removesuffix("; ") + f", {number(seeds, 'seed')}"
    half = len(STAGES) / 2
    if lacking := few(seeds):
        return Finding(APPENDIX_C, told, UNDECIDED, lacking)
    if len(above) > half or any(len(stages) > half for stages in lower):
        verdict = SUPPORTED if len(above) > half else CONTRADICTED
        return Finding(APPENDIX_C, told, verdict)
    return Finding(APPENDIX_C, told, UNDECIDED, "intervals hold 0")


def repaired(evidence: Evidence, case: Case) -> Finding | None:
    """Test whether the ensemble of its branches beats XSleepNet1 on small data (Appendix D)."""
    if not small(evidence, case):
        return None
    joint = evidence.result(case, "XSleepNet1")
    pair = shared(evidence.ensembles[case], joint) if case in evidence.ensembles else None
    if not pair:
        raise InputError("no probabilities of the branches of XSleepNet1")
    values: dict[str, Any] = paired(*pair)["accuracy"] | {"against": "its joint branch"}
    values["p Holm"] = values["p Wilcoxon"]  # a single pair
    values["subjects"] = pair[0].number("subject")
    values["seeds"] = min(result.number("seed") for result in pair)
    return Finding(APPENDIX_D, _told(values), *decided(values))
