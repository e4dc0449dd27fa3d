"""Claims on training: overfitting and loss weights (Section 5 of the XSleepNet paper)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from xsleep.core.arrays import Floats
from xsleep.core.errors import InputError
from xsleep.results import inference
from xsleep.results.claims import base
from xsleep.results.claims.evidence import Case, Evidence
from xsleep.systems import registry

OVERFITTED = 0.05
"""Rise of the validation loss, relative to its minimum, from which a branch overfits."""
SMOOTHED = 10
"""Evaluations in the moving average of the loss weights of XSleepNet2 (caption of Fig. 5)."""

_LOSSES = "Fig. 5 and 6, drawn only"
_RISE = (
    "rise of a loss of the validation subjects: its mean over the last tenth of the evaluations, "
    "relative to its minimum, less one, up to the last step that all runs reached"
)
_T = (
    "p (corrected t over folds, validating over training subjects; over seeds where there is a "
    f"single fold) below {base.SIGNIFICANT:.2f}"
)


class _Folds(NamedTuple):
    """Values (systems, folds), averaged over seeds; or (systems, seeds) of a single fold."""

    values: Floats
    seeds: int
    told: str
    ratio: float

    def p(self, differences: Floats) -> float:
        return inference.corrected_t(differences, self.ratio)


def _by_fold(
    evidence: Evidence, case: Case, of_systems: Iterable[Mapping[tuple[int, int], float]]
) -> _Folds:
    """Average values by (seed, fold) of each system over seeds, on what all systems share."""
    table = pd.concat(map(pd.Series, of_systems), axis=1, join="inner").sort_index()
    if table.empty:
        raise InputError("no seed and fold in common")
    seeds, folds = (table.index.unique(level).size for level in (0, 1))
    values = table.groupby(level=1 if folds > 1 else 0).mean().to_numpy().T
    told = f"{base.number(folds, 'fold')}, {base.number(seeds, 'seed')}"
    # the t-test is corrected over folds, and the plain one over the seeds of a single fold
    return _Folds(values, seeds, told, evidence.ratios[case.database] if folds > 1 else 0.0)


def _rises(
    evidence: Evidence, case: Case, branches: Iterable[tuple[str, str]]
) -> tuple[_Folds, int]:
    """Return the rise of the validation loss of (system, branch) pairs, and the last step used."""
    losses = []
    for system, branch in branches:
        histories, name = evidence.histories(case, system), f"{branch} validation loss"
        if any(name not in history for history in histories.values()):
            raise InputError(f"{system}: no {name} in its history.csv")
        losses.append({run: history[name] for run, history in histories.items()})
    last = min(one.index[-1] for runs in losses for one in runs.values())
    rises = ({run: _rise(one.loc[:last]) for run, one in runs.items()} for runs in losses)
    return _by_fold(evidence, case, rises), last


def _rise(losses: pd.Series) -> float:
    """Return the rise of the last tenth of the losses above their minimum, relative to it."""
    return float(losses.iloc[-max(1, round(len(losses) / 10)) :].mean() / losses.min() - 1)


@dataclass(frozen=True, kw_only=True)
class Prevents(base.Claim):
    """Claim that a system overfits less than another, by the losses of the latter's last branch."""

    shown: str = _LOSSES
    criterion: str = (
        f"{_RISE}: supported where the system compared with overfits (rises by {OVERFITTED:.0%} or "
        f"more), the branch rises less, and {_T}, contradicted where the branch overfits and rises "
        f"more and {_T}, otherwise undecided; {base.FEW}"
    )

    def test(self, evidence: Evidence, case: Case) -> base.Finding:
        (other,) = self.against
        branch = registry()[other].branches[-1]
        folds, last = _rises(evidence, case, [(other, branch), (self.system, branch)])
        p = folds.p(folds.values[0] - folds.values[1])
        alone, blended = folds.values.mean(axis=1)
        told = (
            f"{branch} branch {blended:+z.1%}, {other} {alone:+z.1%}, to step {last}; "
            f"{base.p_value(p)}, {folds.told}"
        )
        neither = max(alone, blended) < OVERFITTED
        verdict = base.decide(
            folds.seeds,
            supported=p < base.SIGNIFICANT and OVERFITTED <= alone > blended,
            contradicted=p < base.SIGNIFICANT and OVERFITTED <= blended > alone,
            why="neither overfits" if neither else "no difference that the folds tell",
        )
        return base.Finding(self.shown, told, *verdict)


@dataclass(frozen=True, kw_only=True)
class NoOverfitting(base.Claim):
    """Claim that no system overfits on SHHS."""

    shown: str = _LOSSES
    criterion: str = (
        f"{_RISE}, of every system's last branch: supported where each is below {OVERFITTED:.0%} "
        f"and {_T}, contradicted where one is above it and {_T}, otherwise undecided; {base.FEW}"
    )

    def test(self, evidence: Evidence, case: Case) -> base.Finding | None:
        if case.database != "SHHS":
            return None
        systems = (*base.XSLEEPNETS, *base.BASELINES)
        if missing := [system for system in systems if (case, system) not in evidence.runs]:
            raise InputError(f"{', '.join(missing)} not run")
        branches = [(system, registry()[system].branches[-1]) for system in systems]
        folds, last = _rises(evidence, case, branches)
        rises = dict(zip(systems, folds.values, strict=True))
        told = ", ".join(f"{system} {rise.mean():+z.1%}" for system, rise in rises.items())
        overfits = {
            system: rise.mean() > OVERFITTED
            for system, rise in rises.items()
            if folds.p(rise - OVERFITTED) < base.SIGNIFICANT
        }
        unknown = [system for system in systems if system not in overfits]
        verdict = base.decide(
            folds.seeds,
            supported=not unknown and not any(overfits.values()),
            contradicted=any(overfits.values()),
            why=f"not known of {', '.join(unknown)}",
        )
        return base.Finding(self.shown, f"{told}, to step {last}; {folds.told}", *verdict)


@dataclass(frozen=True, kw_only=True)
class Smoother(base.Claim):
    """Claim that the loss weights of XSleepNet2 change less than those of XSleepNet1."""

    criterion: str = (
        "change of the three loss weights from one evaluation to the next, in the mean, once they "
        f"are adapted, both systems averaged over {SMOOTHED} evaluations as Fig. 5 has XSleepNet2: "
        f"supported where that of XSleepNet2 is smaller and {_T}, contradicted where it is larger "
        f"and {_T}, otherwise undecided; {base.FEW}"
    )

    def test(self, evidence: Evidence, case: Case) -> base.Finding:
        changes = [
            {run: change(history) for run, history in evidence.histories(case, system).items()}
            for system in ("XSleepNet2", "XSleepNet1")
        ]
        folds = _by_fold(evidence, case, changes)
        p = folds.p(folds.values[1] - folds.values[0])
        second, first = folds.values.mean(axis=1)
        told = (
            f"a change of {second:.4f}, of XSleepNet1 {first:.4f}; {base.p_value(p)}, {folds.told}"
        )
        verdict = base.decide(
            folds.seeds,
            supported=p < base.SIGNIFICANT and second < first,
            contradicted=p < base.SIGNIFICANT and second >= first,
            why="no difference that the folds tell",
        )
        return base.Finding(self.shown, told, *verdict)


def change(history: pd.DataFrame) -> float:
    """Return the mean change of the smoothed loss weights per evaluation, once they are adapted."""
    weights = history.filter(regex=" weight$").to_numpy(float)
    adapted = np.maximum.accumulate(np.ptp(weights, axis=1) > 0)
    if adapted.sum() <= SMOOTHED:
        raise InputError(f"fewer than {SMOOTHED + 1} evaluations with adapted weights")
    smoothed = np.lib.stride_tricks.sliding_window_view(weights[adapted], SMOOTHED, axis=0)
    return float(np.abs(np.diff(smoothed.mean(axis=-1), axis=0)).mean())
