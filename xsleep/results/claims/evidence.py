"""Results of all runs, by database, window and channel set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from xsleep.core.errors import InputError, reason
from xsleep.results.histories import read_history
from xsleep.results.measurements import CASE, RunPredictions, SystemResults
from xsleep.results.published import CHANNELS

Pair = Mapping[Any, Any]
"""Comparison of two systems, a row of the table of comparisons by column."""


class Case(NamedTuple):
    """A database, window and channel set."""

    database: str
    window: str
    channels: str


class Evidence:
    """Results of all runs, by case.

    Args:
        comparisons: comparisons of systems, from `xsleep.results.comparisons.compare`.
        results: results of all systems, in the order of Table 2.
        runs: runs with a ``history.csv`` beside their predictions.
        ensembles: results of XSleepNet1 with stages decided by the ensemble of its branches.
        ratios: validation subjects over training subjects of each database.
    """

    def __init__(
        self,
        comparisons: pd.DataFrame,
        results: Iterable[SystemResults],
        runs: Iterable[RunPredictions],
        *,
        ensembles: Iterable[SystemResults],
        ratios: Mapping[str, float],
    ) -> None:
        self.ratios = ratios
        self.results = {(Case(*r.case), r.system): r for r in results}
        self.ensembles = {Case(*r.case): r for r in ensembles if len(r.counts)}
        accuracies = comparisons[comparisons["metric"] == "accuracy"]
        names = accuracies[[*CASE, "system", "against"]].itertuples(index=False, name=None)
        self.pairs = dict(zip(names, accuracies.to_dict("records"), strict=True))
        self.runs: dict[tuple[Case, str], list[RunPredictions]] = defaultdict(list)
        for run in runs:
            self.runs[Case(*run.case), run.system].append(run)

    def cases(self) -> list[Case]:
        """Return the cases with at least one result, of the paper's channel sets."""
        cases = dict.fromkeys(case for case, _ in self.results)
        return [case for case in cases if case.channels in CHANNELS]

    def subjects(self, case: Case) -> int:
        """Return the largest number of subjects tested by a system."""
        return max(r.number("subject") for (c, _), r in self.results.items() if c == case)

    def result(self, case: Case, system: str) -> SystemResults:
        """Return the results of a system; raise `InputError` if it was not run."""
        found = self.results.get((case, system))
        if found is None or not len(found.counts):
            raise InputError(f"{system} is not run")
        return found

    def pair(self, case: Case, system: str, against: str) -> Pair:
        """Return the comparison of the accuracies of two systems.

        Raises `InputError` if one of them was not run, or if they have no subject in common.
        """
        for name in (system, against):
            self.result(case, name)
        if (pair := self.pairs.get((*case, system, against))) is None:
            raise InputError(f"{system} and {against} have no subject in common")
        return pair

    def histories(self, case: Case, system: str) -> dict[tuple[int, int], pd.DataFrame]:
        """Return ``history.csv``, indexed by step, of each seed and fold.

        Raises `InputError` if there is no run, or if a history is not valid.
        """
        if not (runs := self.runs.get((case, system))):
            raise InputError(f"{system} is not run")
        return {(run.seed, run.fold): _history(run) for run in runs}


def _history(run: RunPredictions) -> pd.DataFrame:
    path = run.predictions.parent / "history.csv"
    try:
        history = read_history(path).set_index("step")
        losses = history.filter(regex="(loss|weight)$")
        if history.empty or not np.isfinite(losses.to_numpy(float)).all():
            raise ValueError("a loss that is not finite")
    except InputError:
        raise
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: not a history of losses ({reason(error)}); delete the run and train again"
        ) from error
    return history
