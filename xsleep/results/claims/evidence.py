"""What is tested of the paper's claims: cases, what was run, and what became of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from xsleep.core.errors import InputError
from xsleep.results import inference, published
from xsleep.results.measurements import CASE, Cell, Outcome
from xsleep.systems import of_paper

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"

SIGNIFICANT = 1 - inference.LEVEL
SEEDS = 3
"""Fewest seeds of a verdict. The deviation of two has one degree of freedom: an interval of their
mean is 13 times its standard error on either side, of three 4 times."""
MARGIN = 0.3
"""Percent points of accuracy within which two figures are the same. Half of the smallest average
gain that the paper states, 0.6 (XSleepNet1 over ARNN+RNN): where each of two systems is within it
of what is published, no average gain of the paper can vanish."""

XSLEEPNETS = published.xsleepnets()
SINGLE_VIEWS = published.single_views()
BASELINES = tuple(s for s in of_paper("XSleepNet") if s not in XSLEEPNETS)

FEW = f"undecided with fewer than {SEEDS} seeds"
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
        comparisons: as `xsleep.results.comparisons.compare` makes them.
        outcomes: of all systems, in the order of Table 2.
        runs: those whose ``history.csv`` stands beside their predictions.
        ensembles: outcomes of XSleepNet1 where the ensemble of its branches decides.
        ratios: per database subjects that validate over subjects that train, as
            `xsleep.results.comparisons.subjects_ratio`.
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
        return {(run.seed, run.fold): history(run) for run in runs}


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        section: of the paper.
        test: what became of it in a case; ``None`` where it is not about it. Raises `InputError`
            with the reason why it cannot be tested.
        reported: what the paper's own figures say in a case, above 0 where they agree with it,
            0 where they are equal, NaN where they do not exist.
        overall: when it is supported over all cases, one of ``ALL`` and ``MOST``; empty for one
            that has no cases.
        nowhere: why it has no case at all, where it has none.
        shown: where the paper shows it, if not in figures of Table 2.
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
    """The databases, windows and channel sets of Table 2."""
    return [
        Case(row.database, row.window, channels)
        for row in published.rows()
        if row.system == XSLEEPNETS[0]
        for channels in row.values
    ]


def published_accuracy(case: Case, system: str) -> float:
    """The published one, NaN where there is none."""
    values = published.published(case.database, case.window, system, case.channels)
    return (values or {}).get("accuracy", np.nan)


def few(seeds: int) -> str:
    return f"{number(seeds, 'seed')}, a verdict needs {SEEDS}" if seeds < SEEDS else ""


def number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def p_value(p: float) -> str:
    return "p does not exist" if np.isnan(p) else f"p = {p:.2g}"


def history(run: Cell) -> pd.DataFrame:
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
