"""A claim of the paper: its findings in the cases that were run, and the rules of verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np

from xsleep.core.errors import InputError
from xsleep.results import inference, published
from xsleep.results.claims.evidence import Case, Evidence

XSLEEPNETS = ("XSleepNet2", "XSleepNet1")
SINGLE_VIEWS = ("ARNN+RNN", "FCNN+RNN")
BASELINES = ("Naive Fusion", *SINGLE_VIEWS)
"""The systems that Sections 4.4 and 5 of the paper are about."""

SUPPORTED, CONTRADICTED, UNDECIDED = VERDICTS = ("supported", "contradicted", "undecided")

SIGNIFICANT = 1 - inference.LEVEL
SEEDS = 3
"""Smallest number of seeds for a verdict. The half-width of the 95 % interval of a mean is 13 times
its standard error with two seeds (one degree of freedom), and 4 times with three."""
MARGIN = 0.3
"""Equivalence margin of accuracies, in percentage points: half of the smallest average gain stated
in the paper, 0.6 (XSleepNet1 over ARNN+RNN). As long as two systems are each within it of their
published accuracies, no average gain of the paper can vanish."""

FEW = f"undecided with fewer than {SEEDS} seeds"
ALL = "over all: supported where all of them are, contradicted where one is"
MOST = "over all: supported where more than half of them are, contradicted likewise"

OVER_ALL = Case("all", "", "")


class Finding(NamedTuple):
    """Result of testing a claim in one case, as texts of the table of claims."""

    published: str
    measured: str
    verdict: str
    why: str = ""


@dataclass(frozen=True)
class Claim:
    """A claim of the paper; this class is that of claims which no system here can test.

    Attributes:
        section: section of the paper that makes it.
        system: the system that it is about; empty if it is about several.
        against: systems with which that one is compared.
        criterion: rule by which the verdict in a case is reached.
        overall: rule for the verdict over all cases, ``ALL`` or ``MOST``; empty if it has no cases.
        nowhere: reason given where no case was run that the claim is about.
        shown: where the paper shows the claim, if Table 2 has no figures for it.
    """

    text: str
    section: str
    system: str = ""
    against: Sequence[str] = ()
    _: KW_ONLY
    criterion: str = "none"
    overall: str = ALL
    nowhere: str = "nothing that it is about is run"
    shown: str = "not in the paper"

    def test(self, evidence: Evidence, case: Case) -> Finding | None:
        """Return the finding in a case, or ``None`` where the claim is not about the case.

        Raises `InputError` with the reason if it cannot be tested.
        """
        return None

    def margin(self, case: Case) -> float:
        """Return the published margin: positive where Table 2 agrees; NaN without figures."""
        return np.nan

    def findings(self, evidence: Evidence) -> dict[Case, Finding]:
        """Return the finding in each case that was run, and last the one ``OVER_ALL``."""
        found = {c: one for c in evidence.cases() if (one := self._tested(evidence, c))}
        return found | {OVER_ALL: self.over_all(list(found.values()))}

    def _tested(self, evidence: Evidence, case: Case) -> Finding | None:
        try:
            return self.test(evidence, case)
        except InputError as error:
            margin = self.margin(case)
            reported = self.shown if np.isnan(margin) else f"{margin:+z.1f}"
            return Finding(reported, "", UNDECIDED, str(error))

    def over_all(self, findings: Sequence[Finding]) -> Finding:
        """Return the finding over all cases, from those in each."""
        margins = np.array([self.margin(case) for case in paper_cases()]).round(3)
        agreeing = {"so": margins > 0, "equal": margins == 0, "not so": margins < 0}
        reported = _counted({word: int(there.sum()) for word, there in agreeing.items()})
        shown = reported if np.isfinite(margins).any() else self.shown
        if not findings:
            return Finding(shown, "", UNDECIDED, self.nowhere)
        verdicts = [finding.verdict for finding in findings]
        counts = {verdict: verdicts.count(verdict) for verdict in VERDICTS}
        most = len(findings) // 2 + 1
        enough, against = (len(findings), 1) if self.overall == ALL else (most, most)
        if counts[SUPPORTED] >= enough:
            return Finding(shown, _counted(counts), SUPPORTED)
        if counts[CONTRADICTED] >= against:
            return Finding(shown, _counted(counts), CONTRADICTED)
        whys = dict.fromkeys(finding.why for finding in findings if finding.why)
        why = "; ".join(whys) if len(whys) < 3 else "see its cases"
        return Finding(shown, _counted(counts), UNDECIDED, why)


def decide(
    seeds: int, *, supported: bool = False, contradicted: bool = False, why: str = ""
) -> tuple[str, str]:
    """Return the verdict, and the reason if it is undecided: too few seeds, or ``why``."""
    if seeds < SEEDS:
        return UNDECIDED, f"{number(seeds, 'seed')}, a verdict needs {SEEDS}"
    if supported or contradicted:
        return SUPPORTED if supported else CONTRADICTED, ""
    return UNDECIDED, why


def paper_cases() -> list[Case]:
    """Return the databases, windows and channel sets of Table 2."""
    rows = [row for row in published.rows() if row.system == "XSleepNet2"]
    return [Case(row.database, row.window, channels) for row in rows for channels in row.values]


def published_metric(case: Case, system: str, metric: str = "accuracy") -> float:
    """Return a metric of Table 2 in its unit, NaN where there is none."""
    values = published.published(case.database, case.window, system, case.channels)
    return (values or {}).get(metric, np.nan)


def number(count: int, what: str) -> str:
    """Return a count with its noun, in the plural unless it is 1."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def p_value(p: float) -> str:
    """Return a p-value as text."""
    return "p does not exist" if np.isnan(p) else f"p = {p:.2g}"


def _counted(counts: Mapping[str, int]) -> str:
    """Return counts as text, as in ``so in 3, not so in 1 of 4``."""
    told = ", ".join(f"{what} in {count}" for what, count in counts.items() if count)
    return f"{told} of {sum(counts.values())}"
