"""Types shared by the claims: cases, the evidence from runs, findings and claims."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from xsleep.core.errors import InputError
from xsleep.results import inference, published
from xsleep.results.measurements import CASE, RunPredictions, SystemResults
from xsleep.systems import of_paper

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"

SIGNIFICANT = 1 - inference.LEVEL
SEEDS = 3
"""Smallest number of seeds for a verdict. The half-width of the 95 % interval of a mean is 13 times
its standard error with two seeds (one degree of freedom), and 4 times with three."""
MARGIN = 0.3
"""Equivalence margin of accuracies, in percentage points: half of the smallest average gain stated
in the paper, 0.6 (XSleepNet1 over ARNN+RNN). As long as two systems are each within it of their
published accuracies, no average gain of the paper can vanish."""

XSLEEPNETS = published.xsleepnets()
SINGLE_VIEWS = published.single_views()
BASELINES = tuple(s for s in of_paper("XSleepNet") if s not in XSLEEPNETS)

FEW = f"undecided with fewer than {SEEDS} seeds"
ALL = "over all: supported where all of them are, contradicted where one is"
MOST = "over all: supported where more than half of them are, contradicted likewise"
NOT_PUBLISHED = "not in the paper"


Pair = Mapping[Any, Any]
"""Comparison of two systems, a row of the table of comparisons by column."""


class Case(NamedTuple):
    """A database, window and channel set."""

    database: str
    window: str
    channels: str


class Finding(NamedTuple):
    """Result of testing a claim in one case, as texts of the table of claims."""

    published: str
    measured: str
    verdict: str
    why: str = ""


class Evidence:
    """Results of all runs, by case.

    Args:
        comparisons: comparisons of systems, from `xsleep.results.comparisons.compare`.
        results: results of all systems, in the order of Table 2.
        runs: runs with a ``history.csv`` beside their predictions.
        ensembles: results of XSleepNet1 with stages decided by the ensemble of its branches.
        ratios: validation subjects over training subjects of each database, from
            `xsleep.results.comparisons.subjects_ratio`.
    """

    def __init__(
        self,
        comparisons: pd.DataFrame,
        results: Iterable[SystemResults],
        runs: Iterable[RunPredictions],
        ensembles: Iterable[SystemResults],
        ratios: Mapping[str, float],
    ) -> None:
        self.ratios = ratios
        self.results = {(o.case, o.system): o for o in results}
        self.ensembles = {o.case: o for o in ensembles if len(o.counts)}
        accuracies = comparisons[comparisons["metric"] == "accuracy"]
        self.pairs: dict[tuple[Case, str, str], Pair] = {
            (Case(*(row[name] for name in CASE)), row["system"], row["against"]): row
            for row in accuracies.to_dict("records")
        }
        self.runs: dict[tuple[Case, str], list[RunPredictions]] = defaultdict(list)
        for run in runs:
            self.runs[Case(run.database, run.window, run.channels), run.system].append(run)

    def cases(self) -> list[Case]:
        """Return the cases with at least one result."""
        return [Case(*case) for case in dict.fromkeys(case for case, _ in self.results)]

    def subjects(self, case: Case) -> int:
        """Return the largest number of subjects tested by a system."""
        return max(o.number("subject") for (c, _), o in self.results.items() if c == case)

    def result(self, case: Case, system: str) -> SystemResults:
        """Return the result of a system; raise `InputError` if it was not run."""
        found = self.results.get((case, system))
        if found is None or not len(found.counts):
            raise InputError(f"{system} is not run")
        return found

    def pair(self, case: Case, system: str, against: str) -> Pair:
        """Return the comparison of the accuracies of two systems.

        Raises:
            InputError: one of them was not run, or they have no subject in common.
        """
        for name in (system, against):
            self.result(case, name)
        try:
            return self.pairs[case, system, against]
        except KeyError:
            raise InputError(f"{system} and {against} have no subject in common") from None

    def histories(self, case: Case, system: str) -> dict[tuple[int, int], pd.DataFrame]:
        """Return ``history.csv`` by seed and fold; raise `InputError` if there is no run."""
        if not (runs := self.runs.get((case, system))):
            raise InputError(f"{system} is not run")
        return {(run.seed, run.fold): history(run) for run in runs}


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        text: the claim.
        section: section of the paper that makes it.
        criterion: rule by which the verdict in a case is reached.
        test: function that returns the finding in a case, or ``None`` where the claim is not about
            the case; raises `InputError` with the reason where it cannot be tested.
        reported: function that returns the published margin in a case: positive where Table 2
            agrees with the claim, 0 at equality, NaN where it has no figures.
        overall: rule for the verdict over all cases, ``ALL`` or ``MOST``; empty for a claim without
            cases.
        nowhere: reason given where no case was run that the claim is about.
        shown: where the paper shows the claim, if not in Table 2.
    """

    text: str
    section: str
    criterion: str
    test: Callable[[Evidence, Case], Finding | None]
    reported: Callable[[Case], float] | None = None
    overall: str = ALL
    nowhere: str = "nothing that it is about is run"
    shown: str = NOT_PUBLISHED


def paper_cases() -> list[Case]:
    """Return the databases, windows and channel sets of Table 2."""
    return [
        Case(row.database, row.window, channels)
        for row in published.rows()
        if row.system == XSLEEPNETS[0]
        for channels in row.values
    ]


def published_accuracy(case: Case, system: str) -> float:
    """Return the accuracy of Table 2 in percent, NaN where there is none."""
    values = published.published(case.database, case.window, system, case.channels)
    return (values or {}).get("accuracy", np.nan)


def few(seeds: int) -> str:
    """Return why seeds are too few for a verdict; empty if they are enough."""
    return f"{number(seeds, 'seed')}, a verdict needs {SEEDS}" if seeds < SEEDS else ""


def number(count: int, what: str) -> str:
    """Return a count with its noun, in the plural unless it is 1."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def p_value(p: float) -> str:
    """Return a p-value as text."""
    return "p does not exist" if np.isnan(p) else f"p = {p:.2g}"


def history(run: RunPredictions) -> pd.DataFrame:
    """Read ``history.csv`` of a run, indexed by step; raise `InputError` if it is not valid."""
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
