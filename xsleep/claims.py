"""The claims of the XSleepNet paper that can be tested, each with its criterion and its verdict.

Sections 4.4 and 5 and Appendix D, sentence by sentence. A claim has a verdict in each database,
window and channel set that it is made of, and one over all that were run. Where it is undecided,
``why`` says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from xsleep import published, statistics
from xsleep.comparisons import paired, shared
from xsleep.errors import InputError
from xsleep.metrics import class_wise, of_confusion
from xsleep.outcomes import CASE, Cell, Outcome
from xsleep.published import OURS
from xsleep.stages import STAGES

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"

SIGNIFICANT = 1 - statistics.LEVEL
SEEDS = 3
"""Fewest seeds of a verdict. The deviation of two has one degree of freedom: an interval of their
mean is 13 times its standard error on either side, of three 4 times."""
MARGIN = 0.3
"""Percent points of accuracy within which two figures are the same. Half of the smallest average
gain that the paper states, 0.6 (XSleepNet1 over ARNN+RNN): where each of two systems is within it
of what is published, no average gain of the paper can vanish."""
OVERFITTED = 0.05
"""Rise of the validation loss above its minimum, relative to it, from which a view overfits."""
SMOOTHED = 10
"""Evaluations over which Fig. 5 averages the loss weights of XSleepNet2."""

SMALL = ("SleepEDF-20",)
"""What the paper calls small (Section 5: medium or large are all but this one)."""
NOT_SMALL = 78
"""Subjects of SleepEDF-78, the smallest database that the paper does not call small; of databases
that are not in the paper, those with fewer are small."""
RELATIVELY_SMALL, LARGE = 200, 944
"""Subjects of MASS and Physio2018, which Section 4.4 names for "relatively small" and "larger"."""

XSLEEPNETS = ("XSleepNet2", "XSleepNet1")
SINGLE_VIEWS = ("ARNN+RNN", "FCNN+RNN")
BASELINES = ("Naive Fusion", *SINGLE_VIEWS)
EQUAL_WEIGHTS = "XSleepNet (equal weights)"
"""The control: all three branches have a weight of 1/3 throughout."""

_P = f"p (Wilcoxon over subjects, Holm) below {SIGNIFICANT:.2f}"
_FEW = f"undecided with fewer than {SEEDS} seeds"
BEATS = (
    "difference in accuracy: supported where its 95 % interval over seeds and subjects is above 0 "
    f"and {_P}, contradicted where it is below 0 and {_P}, otherwise undecided; {_FEW}"
)
BEATS_BOTH = f"of each of the two: {BEATS}. Supported where both are, contradicted where one is"
BELOW_ONE = (
    f"of each of the two: {BEATS}. Supported where one is lower, contradicted where both are higher"
)
AT_LEAST = (
    "difference in accuracy: supported where its 95 % interval over seeds and subjects is above "
    f"-{MARGIN} points, contradicted where it is below 0, otherwise undecided; {_FEW}"
)
GAINED = (
    "mean over the databases, windows and channel sets of Table 2: supported where two one-sided "
    f"t-tests over seeds at 5 % have it within {MARGIN} points of the published mean, contradicted "
    f"where it is further off than that and than another training of each system would be (95 % "
    f"prediction interval), otherwise undecided; {_FEW}, and where not all were run"
)
REPRODUCED = (
    "mean accuracy of the seeds: supported where two one-sided t-tests over seeds at 5 % have it "
    f"within {MARGIN} points of the published one, contradicted where it is further off than that "
    "and than another training would be (95 % prediction interval over seeds), otherwise "
    f"undecided; {_FEW}. Subjects are not drawn: the published figure is of the same. {MARGIN} "
    "points are half of the smallest average gain that the paper states"
)
OUTPERFORMS = (
    "the best earlier work that the paper quotes and that is comparable with it (accuracy; where "
    "there is none MF1, then kappa), one figure without a spread: supported where the 95 % "
    "interval over seeds and subjects is above it, contradicted where it is below it, otherwise "
    f"undecided; {_FEW}"
)
SPREAD = (
    "differences in F1 of the five stages to each of the three baselines: supported where the "
    "95 % intervals over seeds and subjects of three stages or more are above 0 for all "
    "baselines, contradicted where those of three or more are below 0 for one baseline, otherwise "
    f"undecided; {_FEW}"
)
_RISE = (
    "rise of a loss of the validation subjects: its mean over the last tenth of the evaluations, "
    "relative to its minimum, less one, up to the last step that all runs reached"
)
_T = (
    "p (corrected t over folds, validating over training subjects; over seeds where there is a "
    f"single fold) below {SIGNIFICANT:.2f}"
)
PREVENTS = (
    f"{_RISE}: supported where the system compared with overfits (rises by {OVERFITTED:.0%} or "
    f"more), the branch rises less, and {_T}, contradicted where the branch overfits and rises "
    f"more and {_T}, otherwise undecided; {_FEW}"
)
NO_OVERFITTING = (
    f"{_RISE}, of every system's last branch: supported where each is below {OVERFITTED:.0%} and "
    f"{_T}, contradicted where one is above it and {_T}, otherwise undecided; {_FEW}"
)
SMOOTHER = (
    "change of the three loss weights from one evaluation to the next, in the mean, once they are "
    f"adapted, both systems averaged over {SMOOTHED} evaluations as Fig. 5 has XSleepNet2: "
    f"supported where that of XSleepNet2 is smaller and {_T}, contradicted where it is larger and "
    f"{_T}, otherwise undecided; {_FEW}"
)
NEVER = "it would take finetuning with XSleepNet2's approximation, which no system here has"

ALL = "over all: supported where all of them are, contradicted where one is"
MOST = "over all: supported where more than half of them are, contradicted likewise"

NOT_PUBLISHED = "not in the paper"


class Case(NamedTuple):
    """A database, window and channel set."""

    database: str
    window: str
    channels: str


class Finding(NamedTuple):
    """What became of a claim in one case."""

    published: str
    measured: str
    verdict: str
    why: str = ""


class Evidence:
    """What was run, to be looked up by case.

    Args:
        comparisons: as `xsleep.comparisons.compare` makes them.
        outcomes: of all systems, in the order of Table 2.
        runs: those whose ``history.csv`` stands beside their predictions.
        ensembles: outcomes of XSleepNet1 where the ensemble of its branches decides.
        ratios: per database subjects that validate over subjects that train, as
            `xsleep.comparisons.subjects_ratio`.
    """

    def __init__(
        self,
        comparisons: pd.DataFrame,
        outcomes: Iterable[Outcome],
        runs: Iterable[Cell],
        ensembles: Iterable[Outcome],
        ratios: Mapping[str, float],
    ) -> None:
        self.ratios = ratios
        self.outcomes = {(o.case, o.system): o for o in outcomes}
        self.ensembles = {o.case: o for o in ensembles if len(o.counts)}
        accuracies = comparisons[comparisons["metric"] == "accuracy"]
        self.pairs = {
            (tuple(row[name] for name in CASE), row["system"], row["against"]): row
            for _, row in accuracies.iterrows()
        }
        self.runs: dict[tuple, list[Cell]] = defaultdict(list)
        for run in runs:
            self.runs[(run.database, run.window, run.channels), run.system].append(run)

    def cases(self) -> list[Case]:
        """Return those that something was run in."""
        return [Case(*case) for case in dict.fromkeys(case for case, _ in self.outcomes)]

    def subjects(self, case: Case) -> int:
        """Return how many were tested."""
        return max(o.number("subject") for (c, _), o in self.outcomes.items() if c == case)

    def outcome(self, case: Case, system: str) -> Outcome:
        """Return what a system did; raises `InputError` where it did nothing."""
        found = self.outcomes.get((case, system))
        if found is None or not len(found.counts):
            raise InputError(f"{system} is not run")
        return found

    def pair(self, case: Case, system: str, against: str) -> pd.Series:
        """Return the comparison of two systems' accuracies; raises `InputError` without one."""
        for name in (system, against):
            self.outcome(case, name)
        try:
            return self.pairs[case, system, against]
        except KeyError:
            raise InputError(f"{system} and {against} have no subject in common") from None

    def histories(self, case: Case, system: str) -> dict[tuple[int, int], pd.DataFrame]:
        """Return ``history.csv`` by seed and fold; raises `InputError` without one."""
        if not (runs := self.runs.get((case, system))):
            raise InputError(f"{system} is not run")
        return {(run.seed, run.fold): _history(run) for run in runs}


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        section: of the paper.
        test: what became of it in a case; ``None`` where it is not about it. Raises `InputError`
            with the reason why it cannot be tested.
        reported: what the paper's own figures say in a case, above 0 where they agree with it,
            0 where they are equal, NaN where they do not exist.
        overall: when it is supported over all cases, one of ``ALL`` and ``MOST``.
        nowhere: why it has no case at all, where it has none.
    """

    text: str
    section: str
    criterion: str
    test: Callable[[Evidence, Case], Finding | None]
    reported: Callable[[Case], float] | None = None
    overall: str = ALL
    nowhere: str = "nothing that it is about is run"


def claims(evidence: Evidence) -> pd.DataFrame:
    """Test each claim in each case that was run, and over all of them.

    Returns:
        A row per claim and case, then one for ``all``: ``claim``, its ``section``, the case, what
        is ``published`` and ``measured``, the ``verdict`` (supported, contradicted or undecided),
        ``why`` where it is undecided, and the ``criterion`` that it follows.
    """
    rows = []
    for claim in CLAIMS:
        found = {case: _tested(claim, evidence, case) for case in evidence.cases()}
        found = {case: finding for case, finding in found.items() if finding}
        rows += [_row(claim, case, finding) for case, finding in found.items()]
        rows.append(_row(claim, Case("all", "", ""), _overall(claim, list(found.values()))))
    rows += [_row(*row) for row in _gains(evidence)]
    return pd.DataFrame(rows)


def _tested(claim: Claim, evidence: Evidence, case: Case) -> Finding | None:
    try:
        return claim.test(evidence, case)
    except InputError as error:
        return Finding(_reported(claim, case), "", UNDECIDED, str(error))


def _overall(claim: Claim, findings: Sequence[Finding]) -> Finding:
    """The verdict over all cases that were run."""
    number = {
        verdict: sum(finding.verdict == verdict for finding in findings)
        for verdict in (SUPPORTED, CONTRADICTED, UNDECIDED)
    }
    enough = len(findings) if claim.overall == ALL else len(findings) // 2 + 1
    against = 1 if claim.overall == ALL else enough
    verdict, why = UNDECIDED, ""
    if findings and number[SUPPORTED] >= enough:
        verdict = SUPPORTED
    elif findings and number[CONTRADICTED] >= against:
        verdict = CONTRADICTED
    elif not findings:
        why = claim.nowhere
    else:
        whys = dict.fromkeys(finding.why for finding in findings if finding.why)
        why = "; ".join(whys) if len(whys) < 3 else "see its cases"
    counted = ", ".join(f"{name} in {n}" for name, n in number.items() if n)
    measured = f"{counted} of {len(findings)}" if findings else ""
    return Finding(_reported_over_all(claim), measured, verdict, why)


def _row(claim: Claim, case: Case, finding: Finding) -> dict[str, str]:
    criterion = claim.criterion if case.channels else f"{claim.criterion}; {claim.overall}"
    return (
        {"claim": claim.text, "section": claim.section}
        | dict(zip(CASE, case, strict=True))
        | finding._asdict()
        | {"criterion": criterion}
    )


def _reported(claim: Claim, case: Case) -> str:
    value = claim.reported(case) if claim.reported else np.nan
    return NOT_PUBLISHED if np.isnan(value) else f"{value:+z.1f}"


def _reported_over_all(claim: Claim) -> str:
    """In how many of the paper's cases its own figures agree with it."""
    if not claim.reported:
        return NOT_PUBLISHED
    values = np.array([claim.reported(case) for case in paper_cases()])
    values = values[np.isfinite(values)].round(3)
    if not len(values):
        return NOT_PUBLISHED
    words = (("so", values > 0), ("equal", values == 0), ("not so", values < 0))
    counted = ", ".join(f"{word} in {there.sum()}" for word, there in words if there.any())
    return f"{counted} of {len(values)}"


def paper_cases() -> list[Case]:
    """The databases, windows and channel sets of Table 2."""
    return [
        Case(row.database, row.window, channels)
        for row in published.rows()
        if row.system == XSLEEPNETS[0]
        for channels in row.values
    ]


# --- Systems against each other ------------------------------------------------------------------


def _accuracy(case: Case, system: str) -> float:
    """The published one, NaN where there is none."""
    values = published.published(case.database, case.window, system, case.channels)
    return (values or {}).get("accuracy", np.nan)


def _reported_above(
    case: Case, system: str, against: Sequence[str], sign: Callable[[Case], int]
) -> float:
    best = max((_accuracy(case, other) for other in against), key=lambda x: (np.isnan(x), x))
    return sign(case) * (_accuracy(case, system) - best) if sign(case) else np.nan


def _higher(
    evidence: Evidence,
    case: Case,
    system: str,
    against: Sequence[str],
    sign: Callable[[Case], int],
) -> Finding | None:
    """A system higher than all of the others (``sign`` 1), or lower than one of them (-1)."""
    wanted = sign(case)
    if not wanted:
        return None
    pairs = [evidence.pair(case, system, other) for other in against]
    verdicts, whys = zip(*(_decided(pair) for pair in pairs), strict=True)
    above = all(v == SUPPORTED for v in verdicts)
    below = any(v == CONTRADICTED for v in verdicts)
    verdict = UNDECIDED
    if above or below:
        verdict = SUPPORTED if above == (wanted > 0) else CONTRADICTED
    why = "" if above or below else "; ".join(dict.fromkeys(filter(None, whys)))
    reported = "; ".join(
        _figures(_accuracy(case, system), other, _accuracy(case, other)) for other in against
    )
    return Finding(reported, "; ".join(map(_told, pairs)), verdict, why)


def _decided(pair: Mapping) -> tuple[str, str]:
    """The verdict on a system being higher, and why where it is undecided."""
    if few := _few(pair["seeds"]):
        return UNDECIDED, few
    p = pair["p Holm"]
    if p < SIGNIFICANT and pair["95 % from"] > 0:
        return SUPPORTED, ""
    if p < SIGNIFICANT and pair["95 % to"] < 0:
        return CONTRADICTED, ""
    if np.isnan(pair["95 % from"]):
        return UNDECIDED, "one subject"
    held = pair["95 % from"] <= 0 <= pair["95 % to"]
    return UNDECIDED, "the interval holds 0" if held else f"{_p(p)} after Holm"


def _at_least(
    evidence: Evidence, case: Case, sign: Callable[[Evidence, Case], bool]
) -> Finding | None:
    if not sign(evidence, case):
        return None
    pair = evidence.pair(case, *XSLEEPNETS)
    ours, theirs = (_accuracy(case, system) for system in XSLEEPNETS)
    verdict, why = UNDECIDED, _few(pair["seeds"])
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


def _told(pair: Mapping) -> str:
    return (
        f"{pair['of system']:.1f} against {pair['of against']:.1f} ({pair['against']}): "
        f"{pair['difference']:+z.1f} [{pair['95 % from']:+z.1f}, {pair['95 % to']:+z.1f}], "
        f"{_p(pair['p Holm'])}, {_number(pair['subjects'], 'subject')}, "
        f"{_number(pair['seeds'], 'seed')}"
    )


def _few(seeds: int) -> str:
    return f"{_number(seeds, 'seed')}, a verdict needs {SEEDS}" if seeds < SEEDS else ""


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _p(p: float) -> str:
    return "p does not exist" if np.isnan(p) else f"p = {p:.2g}"


# --- Published figures ---------------------------------------------------------------------------


def _reproduces(evidence: Evidence, case: Case, system: str) -> Finding | None:
    theirs = _accuracy(case, system)
    # The figures of "+30 min" are of the sets that wrap at midnight, and of no others.
    if np.isnan(theirs) or case.window in published.WINDOWS.values():
        return None
    accuracies = _accuracies(evidence, case, system)
    told = f"{accuracies.mean():.1f}, {_number(len(accuracies), 'seed')}"
    if few := _few(len(accuracies)):
        return Finding(f"{theirs:.1f}", told, UNDECIDED, few)
    found = statistics.beside([accuracies], [1.0], theirs)
    verdict, why = _same(found)
    return Finding(f"{theirs:.1f}", f"{told}: {_apart(found)}", verdict, why)


def _accuracies(evidence: Evidence, case: Case, system: str) -> np.ndarray:
    """Of each seed."""
    return of_confusion(evidence.outcome(case, system).matrices())["accuracy"]


def _same(found: statistics.Beside) -> tuple[str, str]:
    if found.within < MARGIN:
        return SUPPORTED, ""
    if abs(found.difference) > max(MARGIN, found.expected):
        return CONTRADICTED, ""
    return UNDECIDED, f"known to be within {found.within:.1f} only; more seeds would tell"


def _apart(found: statistics.Beside) -> str:
    return (
        f"{found.difference:+z.2f}, within {found.within:.2f}; another training within "
        f"{found.expected:.2f}"
    )


def published_gain(system: str, against: str, cases: Iterable[Case] | None = None) -> float:
    """The mean published gain in accuracy over cases, by default those of Table 2.

    The averages of Section 4.4 are those over its 17: both windows of Sleep-EDF are in them.
    """
    gains = [_accuracy(case, system) - _accuracy(case, against) for case in cases or paper_cases()]
    return float(np.mean(gains))


def _gains(evidence: Evidence) -> list[tuple[Claim, Case, Finding]]:
    """The six average gains of Section 4.4, over all cases of Table 2 that were run."""
    wanted = paper_cases()
    ran = {
        Case(case.database, published.WINDOWS[case.window], case.channels): case
        for case in evidence.cases()
        if case.window in published.WINDOWS
    }
    rows = []
    for system in XSLEEPNETS[::-1]:
        for against in BASELINES:
            groups: dict[Case, list[np.ndarray]] = {}
            for case in wanted:
                # Of the sets that wrap at midnight where both windows were run.
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
            )
            finding = _gain(f"{gain:+.1f}", groups, len(wanted), system, against)
            rows.append((claim, Case("all", "", ""), finding))
    return rows


def _gain(
    reported: str, groups: Mapping[Case, list[np.ndarray]], wanted: int, system: str, against: str
) -> Finding:
    if not groups:
        return Finding(reported, "", UNDECIDED, f"none of the {wanted} of Table 2 is run")
    values = [group for pair in groups.values() for group in pair]
    weights = [1 / len(groups), -1 / len(groups)] * len(groups)
    seeds = min(map(len, values))
    mean = sum(w * group.mean() for w, group in zip(weights, values, strict=True))
    theirs = published_gain(system, against, groups)
    told = f"{mean:+z.1f} in {len(groups)} of {wanted}; published in these {theirs:+.1f}"
    if few := _few(seeds):
        return Finding(reported, told, UNDECIDED, few)
    found = statistics.beside(values, weights, theirs)
    told += f": {_apart(found)}"
    if len(groups) < wanted:
        return Finding(reported, told, UNDECIDED, f"{wanted - len(groups)} are not run")
    return Finding(reported, told, *_same(found))


def _best_earlier(case: Case) -> tuple[str, str, float] | None:
    """Metric, name and figure of the best earlier work that the paper compares with."""
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


def _reported_outperforms(case: Case, system: str) -> float:
    best = _best_earlier(case)
    values = published.published(case.database, case.window, system, case.channels)
    return values[best[0]] - best[2] if best and values else np.nan


def _outperforms(evidence: Evidence, case: Case, system: str) -> Finding | None:
    if not (best := _best_earlier(case)) or (system == "FCNN+RNN" and case.database in SMALL):
        return None
    metric, name, value = best
    decimals = 3 if metric == "kappa" else 1
    ours = (published.published(*case[:2], system, case.channels) or {}).get(metric, np.nan)
    reported = f"{metric} {ours:.{decimals}f}, {name} {value:.{decimals}f}"
    outcome = evidence.outcome(case, system)
    mean = statistics.estimate(outcome.matrices())[metric]
    low, high = statistics.intervals(outcome.matrices("subject"))[metric]
    seeds = outcome.number("seed")
    told = (
        f"{metric} {mean:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}], "
        f"{_number(seeds, 'seed')}"
    )
    if few := _few(seeds):
        return Finding(reported, told, UNDECIDED, few)
    if low > value or high < value:
        return Finding(reported, told, SUPPORTED if low > value else CONTRADICTED)
    return Finding(reported, told, UNDECIDED, "the interval holds the other figure")


# --- Stages, branches, ensembles -----------------------------------------------------------------


def _f1(counts: np.ndarray) -> dict[str, np.ndarray]:
    values = class_wise(counts)["F1"]
    return {stage: values[..., place] for place, stage in enumerate(STAGES)}


def _spread(evidence: Evidence, case: Case, system: str) -> Finding:
    """Gains over the baselines stage by stage."""
    ours = evidence.outcome(case, system)
    higher, lower, seeds = [], [], ours.number("seed")
    for baseline in BASELINES:
        pair = shared(ours, evidence.outcome(case, baseline))
        if not pair:
            raise InputError(f"{system} and {baseline} have no subject in common")
        seeds = min(seeds, pair[1].number("seed"))
        spans = statistics.intervals(*(o.matrices("subject") for o in pair), measures=_f1)
        higher.append({stage for stage, (low, _) in spans.items() if low > 0})
        lower.append({stage for stage, (_, high) in spans.items() if high < 0})
    above = [stage for stage in STAGES if all(stage in stages for stages in higher)]
    told = f"F1 above all baselines in {', '.join(above) or 'no stage'}; " + "; ".join(
        f"below {baseline} in {', '.join(s for s in STAGES if s in stages)}"
        for baseline, stages in zip(BASELINES, lower, strict=True)
        if stages
    )
    told = told.removesuffix("; ") + f", {_number(seeds, 'seed')}"
    half = len(STAGES) / 2
    if few := _few(seeds):
        return Finding(NOT_PUBLISHED, told, UNDECIDED, few)
    if len(above) > half or any(len(stages) > half for stages in lower):
        verdict = SUPPORTED if len(above) > half else CONTRADICTED
        return Finding(NOT_PUBLISHED, told, verdict)
    return Finding(NOT_PUBLISHED, told, UNDECIDED, "intervals hold 0")


def _repaired(evidence: Evidence, case: Case) -> Finding | None:
    if not small(evidence, case):
        return None
    joint = evidence.outcome(case, "XSleepNet1")
    pair = shared(evidence.ensembles[case], joint) if case in evidence.ensembles else None
    if not pair:
        raise InputError("no probabilities of the branches of XSleepNet1")
    values: dict = paired(*pair)["accuracy"] | {"against": "its joint branch"}
    values["p Holm"] = values["p Wilcoxon"]  # a single pair
    values["subjects"] = pair[0].number("subject")
    values["seeds"] = min(outcome.number("seed") for outcome in pair)
    return Finding(NOT_PUBLISHED, _told(values), *_decided(values))


# --- Losses and weights during training ----------------------------------------------------------


def _history(run: Cell) -> pd.DataFrame:
    path = run.predictions.parent / "history.csv"
    try:
        history = pd.read_csv(path).set_index("step")
        losses = history.filter(regex="(loss|weight)$")
        if history.empty or not np.isfinite(losses.to_numpy(float)).all():
            raise ValueError("a loss that is not finite")
    except (OSError, KeyError, ValueError, TypeError) as error:
        why = " ".join(str(error).split())
        raise InputError(
            f"{path}: not a history of losses ({why}); delete the run and train again"
        ) from error
    return history


def _by_fold(
    of_runs: Sequence[Mapping[tuple[int, int], float]],
) -> tuple[list[np.ndarray], int, str]:
    """Values of several systems on the same folds, seeds averaged; on a single fold, of each seed.

    Returns:
        (n,) of each system; how many seeds there are; and what the n are.
    """
    both = sorted(set.intersection(*(set(values) for values in of_runs)))
    if not both:
        raise InputError("no seed and fold in common")
    seeds, folds = ({run[place] for run in both} for place in (0, 1))
    by = [run[1] if len(folds) > 1 else run[0] for run in both]
    grouped = [
        pd.Series([values[run] for run in both]).groupby(by).mean().to_numpy() for values in of_runs
    ]
    what = _number(len(folds), "fold") if len(folds) > 1 else "1 fold"
    return grouped, len(seeds), f"{what}, {_number(len(seeds), 'seed')}"


def _ratio(evidence: Evidence, case: Case, folds: str) -> float:
    """Validating over training subjects; 0 where seeds of a single fold are looked at."""
    return 0.0 if folds.startswith("1 fold") else evidence.ratios[case.database]


def _rises(
    evidence: Evidence, case: Case, branches: Sequence[tuple[str, str]]
) -> tuple[list[dict[tuple[int, int], float]], int]:
    """Rise of the validation loss of branches of systems, by seed and fold, and the last step."""
    losses = []
    for system, branch in branches:
        found = evidence.histories(case, system)
        name = f"{branch} validation loss"
        if any(name not in history for history in found.values()):
            raise InputError(f"{system}: no {name} in its history.csv")
        losses.append({run: history[name] for run, history in found.items()})
    last = min(one.index[-1] for found in losses for one in found.values())
    return [{run: _rise(one.loc[:last]) for run, one in found.items()} for found in losses], last


def _rise(losses: pd.Series) -> float:
    """How far the last tenth of the losses is above their minimum, relative to it."""
    return losses.iloc[-max(1, round(len(losses) / 10)) :].mean() / losses.min() - 1


def _prevents(evidence: Evidence, case: Case, system: str, branch: str, other: str) -> Finding:
    """The rise of a branch of a system beside that of another system's only or joint branch."""
    found, last = _rises(evidence, case, [(other, branch), (system, branch)])
    (alone, blended), seeds, stands_on = _by_fold(found)
    p = statistics.corrected_t(alone - blended, _ratio(evidence, case, stands_on))
    told = (
        f"{branch} branch {blended.mean():+z.1%}, {other} {alone.mean():+z.1%}, to step {last}; "
        f"{_p(p)}, {stands_on}"
    )
    reported = "Fig. 5 and 6, drawn only"
    if few := _few(seeds):
        return Finding(reported, told, UNDECIDED, few)
    if p < SIGNIFICANT and alone.mean() >= OVERFITTED and blended.mean() < alone.mean():
        return Finding(reported, told, SUPPORTED)
    if p < SIGNIFICANT and blended.mean() >= OVERFITTED and blended.mean() > alone.mean():
        return Finding(reported, told, CONTRADICTED)
    neither = max(alone.mean(), blended.mean()) < OVERFITTED
    why = "neither overfits" if neither else "no difference that the folds tell"
    return Finding(reported, told, UNDECIDED, why)


_LAST = {"FCNN+RNN": "raw", "ARNN+RNN": "time-frequency"}


def _no_overfitting(evidence: Evidence, case: Case) -> Finding | None:
    if case.database != "SHHS":
        return None
    systems = [s for s in (*XSLEEPNETS, *BASELINES) if (case, s) in evidence.runs]
    if missing := [s for s in (*XSLEEPNETS, *BASELINES) if s not in systems]:
        raise InputError(f"{', '.join(missing)} not run")
    branches = [(system, _LAST.get(system, "joint")) for system in systems]
    found, last = _rises(evidence, case, branches)
    values, seeds, stands_on = _by_fold(found)
    rises = dict(zip(systems, values, strict=True))
    told = ", ".join(f"{system} {rise.mean():+z.1%}" for system, rise in rises.items())
    told += f", to step {last}; {stands_on}"
    reported = "Fig. 6, drawn only"
    if few := _few(seeds):
        return Finding(reported, told, UNDECIDED, few)
    ratio = _ratio(evidence, case, stands_on)
    known = {
        system: np.sign(rise.mean() - OVERFITTED)
        for system, rise in rises.items()
        if statistics.corrected_t(rise - OVERFITTED, ratio) < SIGNIFICANT
    }
    if 1 in known.values():
        return Finding(reported, told, CONTRADICTED)
    if len(known) == len(systems):
        return Finding(reported, told, SUPPORTED)
    unknown = ", ".join(system for system in systems if system not in known)
    return Finding(reported, told, UNDECIDED, f"not known of {unknown}")


def _smoother(evidence: Evidence, case: Case) -> Finding:
    found = [
        {run: _change(history) for run, history in evidence.histories(case, system).items()}
        for system in XSLEEPNETS
    ]
    (second, first), seeds, stands_on = _by_fold(found)
    p = statistics.corrected_t(first - second, _ratio(evidence, case, stands_on))
    told = (
        f"a change of {second.mean():.4f}, of XSleepNet1 {first.mean():.4f}; {_p(p)}, {stands_on}"
    )
    reported = "Fig. 5(d) and (e), drawn only"
    if few := _few(seeds):
        return Finding(reported, told, UNDECIDED, few)
    if p < SIGNIFICANT:
        return Finding(reported, told, SUPPORTED if second.mean() < first.mean() else CONTRADICTED)
    return Finding(reported, told, UNDECIDED, "no difference that the folds tell")


def _change(history: pd.DataFrame) -> float:
    """Mean change of the smoothed loss weights between evaluations, from the first adapted on."""
    weights = history.filter(regex=" weight$").to_numpy(float)
    adapted = np.flatnonzero(np.ptp(weights, axis=1) > 0)
    weights = weights[adapted[0] :] if len(adapted) else weights[:0]
    if len(weights) <= SMOOTHED:
        raise InputError(f"fewer than {SMOOTHED + 1} evaluations with adapted weights")
    smoothed = np.lib.stride_tricks.sliding_window_view(weights, SMOOTHED, axis=0).mean(axis=-1)
    return float(np.abs(np.diff(smoothed, axis=0)).mean())


# --- The claims ----------------------------------------------------------------------------------


def _always(case: Case) -> int:
    return 1


def _but_the_smallest(case: Case) -> int:
    return 0 if case.database in SMALL else 1


def _fusion(case: Case) -> int:
    """Where Naive Fusion is said to gain over both views (1) and where not (-1)."""
    named = case.channels == "EEG" and case.database in ("MASS", "Physio2018")
    return 1 if named or case.database == "SHHS" else -1


def _below(case: Case) -> int:
    return min(_fusion(case), 0)


def _above(case: Case) -> int:
    return max(_fusion(case), 0)


def _finetuned(case: Case) -> int:
    return 1 if case.database in SMALL else 0


def _versus(
    text: str,
    section: str,
    system: str,
    against: Sequence[str],
    sign: Callable[[Case], int] = _always,
    criterion: str = BEATS,
    overall: str = ALL,
    nowhere: str = "nothing that it is about is run",
) -> Claim:
    return Claim(
        text,
        section,
        criterion,
        partial(_higher, system=system, against=against, sign=sign),
        partial(_reported_above, system=system, against=against, sign=sign),
        overall,
        nowhere,
    )


def _sized(database: str, channels: str, subjects: int) -> int:
    """Where ARNN+RNN is said to be the better view (1), where FCNN+RNN (-1), and where nothing is.

    Section 4.4 names SleepEDF-20 and MASS for the one, Physio2018 and SHHS (EEG) for the other,
    and the other channel sets of SHHS as exceptions. It says nothing of SleepEDF-78.
    """
    if database == "SHHS":
        return -1 if channels == "EEG" else 1
    if database == "SleepEDF-78":
        return 0
    return 1 if subjects <= RELATIVELY_SMALL else -1 if subjects >= LARGE else 0


def _by_size(evidence: Evidence, case: Case) -> Finding | None:
    sign = _sized(case.database, case.channels, evidence.subjects(case))
    return _higher(evidence, case, SINGLE_VIEWS[0], SINGLE_VIEWS[1:], lambda _: sign)


def _reported_by_size(case: Case) -> float:
    subjects = published.size(case.database, case.window).subjects or 0
    return _reported_above(
        case,
        SINGLE_VIEWS[0],
        SINGLE_VIEWS[1:],
        lambda _: _sized(case.database, case.channels, subjects),
    )


def _reported_at_least(case: Case, databases: Callable[[str], bool]) -> float:
    ours, theirs = (_accuracy(case, system) for system in XSLEEPNETS)
    return ours - theirs if databases(case.database) else np.nan


CLAIMS = (
    *(
        _versus(f"{system} beats both single views", "4.4", system, SINGLE_VIEWS, sign, BEATS_BOTH)
        for system, sign in zip(XSLEEPNETS, (_always, _but_the_smallest), strict=True)
    ),
    *(
        _versus(f"{system} beats Naive Fusion", "4.4", system, BASELINES[:1])
        for system in XSLEEPNETS
    ),
    _versus(
        "Naive Fusion is below the better single view, except on SHHS, and with EEG on MASS and "
        "Physio2018",
        *("4.4", "Naive Fusion", SINGLE_VIEWS, _below, BELOW_ONE),
    ),
    _versus(
        "Naive Fusion is above both single views on SHHS, and with EEG on MASS and Physio2018",
        *("4.4", "Naive Fusion", SINGLE_VIEWS, _above, BEATS_BOTH),
        nowhere="none of SHHS, MASS and Physio2018 is run",
    ),
    Claim(
        "of the single views ARNN+RNN is the better on relatively small data (SleepEDF-20, MASS), "
        "FCNN+RNN on larger (Physio2018, SHHS with EEG alone)",
        "4.4",
        f"in the direction that the paper gives for the size (up to {RELATIVELY_SMALL} subjects, "
        f"from {LARGE} on): {BEATS}",
        _by_size,
        _reported_by_size,
        MOST,
        nowhere="no database of either size is run",
    ),
    *(
        Claim(
            f"{system} outperforms earlier work"
            + (" (SleepEDF-20 excepted)" if system == "FCNN+RNN" else ""),
            "4.4",
            OUTPERFORMS,
            partial(_outperforms, system=system),
            partial(_reported_outperforms, system=system),
            MOST if system == "FCNN+RNN" else ALL,
            nowhere="no database and channel set is run for which the paper quotes any",
        )
        for system in (*XSLEEPNETS, *SINGLE_VIEWS)
    ),
    *(
        _versus(
            f"FT-XSleepNet beats {other}",
            *("4.4", "FT-XSleepNet", (other,), _finetuned),
            nowhere="SleepEDF-20 is not run",
        )
        for other in ("FT-SeqSleepNet+", "FT-DeepSleepNet+")
    ),
    Claim(
        "finetuning converges too soon for the warm-up of XSleepNet2's approximation",
        "4.4",
        "none",
        lambda evidence, case: None,
        nowhere=NEVER,
    ),
    *(
        Claim(
            f"{system}'s gains are spread over the stages",
            "4.4",
            SPREAD,
            partial(_spread, system=system),
            overall=MOST,
        )
        for system in XSLEEPNETS
    ),
    Claim(
        "XSleepNet2 is at least XSleepNet1 on small data (SleepEDF-20)",
        "5",
        AT_LEAST,
        partial(_at_least, sign=small),
        partial(_reported_at_least, databases=lambda name: name in SMALL),
        nowhere="no small database is run",
    ),
    Claim(
        "XSleepNet2 is at least XSleepNet1 on medium or large data in most cases",
        "5",
        AT_LEAST,
        partial(_at_least, sign=lambda evidence, case: not small(evidence, case)),
        partial(_reported_at_least, databases=lambda name: name not in SMALL),
        MOST,
        nowhere="no medium or large database is run",
    ),
    *(
        Claim(
            f"{system} prevents the overfitting of the raw view that FCNN+RNN shows",
            "5",
            PREVENTS,
            partial(_prevents, system=system, branch="raw", other="FCNN+RNN"),
        )
        for system in XSLEEPNETS
    ),
    *(
        Claim(
            f"{system} prevents the overfitting that Naive Fusion shows",
            "5",
            PREVENTS,
            partial(_prevents, system=system, branch="joint", other="Naive Fusion"),
        )
        for system in XSLEEPNETS
    ),
    Claim(
        "no system overfits on SHHS",
        "5",
        NO_OVERFITTING,
        _no_overfitting,
        nowhere="SHHS is not run",
    ),
    Claim(
        "the loss weights of XSleepNet2 are smoother than XSleepNet1's", "5", SMOOTHER, _smoother
    ),
    Claim(
        "the loss weights of XSleepNet2 keep the views learning in step, XSleepNet1's take turns",
        "5",
        "none",
        lambda evidence, case: None,
        nowhere="the paper describes Fig. 5 and gives no measure of it; the figure is drawn",
    ),
    Claim(
        "the ensemble of its branches repairs XSleepNet1 on small data (SleepEDF-20)",
        "5, D",
        f"the probabilities of the branches as the losses were weighted, less the joint branch: "
        f"{BEATS.replace(', Holm', '')}",
        _repaired,
        nowhere="no small database is run",
    ),
    *(
        _versus(
            f"adaptive weights beat equal ones: {system} and {EQUAL_WEIGHTS}",
            *("3.2", system, (EQUAL_WEIGHTS,)),
        )
        for system in XSLEEPNETS
    ),
    *(
        Claim(
            f"the measured accuracy of {system} is the published one",
            "Table 2",
            REPRODUCED,
            partial(_reproduces, system=system),
            nowhere="none of its published figures is measured",
        )
        for system in (*XSLEEPNETS, *BASELINES, "FT-XSleepNet")
    ),
)
