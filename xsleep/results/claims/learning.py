"""Claims on training: overfitting and loss weights (Section 5 of the XSleepNet paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xsleep.core.arrays import Floats
from xsleep.core.errors import InputError
from xsleep.results import inference
from xsleep.results.claims.evidence import (
    BASELINES,
    CONTRADICTED,
    FEW,
    SIGNIFICANT,
    SUPPORTED,
    UNDECIDED,
    XSLEEPNETS,
    Case,
    Evidence,
    Finding,
    few,
    number,
    p_value,
)

Runs = Mapping[tuple[int, int], float]
"""A value of each run of a system, by seed and fold."""

LOSSES, WEIGHTS = "Fig. 5 and 6, drawn only", "Fig. 5(d) and (e), drawn only"

OVERFITTED = 0.05
"""Rise of the validation loss, relative to its minimum, from which a branch overfits."""
SMOOTHED = 10
"""Evaluations in the moving average of the loss weights of XSleepNet2 (caption of Fig. 5)."""

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
    f"more and {_T}, otherwise undecided; {FEW}"
)
NO_OVERFITTING = (
    f"{_RISE}, of every system's last branch: supported where each is below {OVERFITTED:.0%} and "
    f"{_T}, contradicted where one is above it and {_T}, otherwise undecided; {FEW}"
)
SMOOTHER = (
    "change of the three loss weights from one evaluation to the next, in the mean, once they are "
    f"adapted, both systems averaged over {SMOOTHED} evaluations as Fig. 5 has XSleepNet2: "
    f"supported where that of XSleepNet2 is smaller and {_T}, contradicted where it is larger and "
    f"{_T}, otherwise undecided; {FEW}"
)


def _by_fold(of_runs: Sequence[Runs]) -> tuple[list[Floats], int, str]:
    """Average the values of each system over seeds, on the folds that all systems share.

    Returns:
        Values (n,) of each system, by fold, or by seed if there is a single fold; the number of
        seeds; and a text with the numbers of folds and seeds.
    """
    both = sorted(set.intersection(*(set(values) for values in of_runs)))
    if not both:
        raise InputError("no seed and fold in common")
    seeds, folds = ({run[place] for run in both} for place in (0, 1))
    by = [run[1] if len(folds) > 1 else run[0] for run in both]
    grouped = [
        pd.Series([values[run] for run in both]).groupby(by).mean().to_numpy() for values in of_runs
    ]
    what = number(len(folds), "fold") if len(folds) > 1 else "1 fold"
    return grouped, len(seeds), f"{what}, {number(len(seeds), 'seed')}"


def _ratio(evidence: Evidence, case: Case, folds: str) -> float:
    """Return the ratio of validation to training subjects, or 0 for the seeds of a single fold."""
    return 0.0 if folds.startswith("1 fold") else evidence.ratios[case.database]


def _rises(
    evidence: Evidence, case: Case, branches: Sequence[tuple[str, str]]
) -> tuple[list[Runs], int]:
    """Return the rise of the validation loss of (system, branch) pairs, and the last step used."""
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
    """Return the rise of the last tenth of the losses above their minimum, relative to it."""
    return float(losses.iloc[-max(1, round(len(losses) / 10)) :].mean() / losses.min() - 1)


def prevents(evidence: Evidence, case: Case, system: str, branch: str, *, other: str) -> Finding:
    """Test by ``PREVENTS`` whether a branch of a system overfits less than the other system."""
    found, last = _rises(evidence, case, [(other, branch), (system, branch)])
    (alone, blended), seeds, stands_on = _by_fold(found)
    p = inference.corrected_t(alone - blended, _ratio(evidence, case, stands_on))
    told = (
        f"{branch} branch {blended.mean():+z.1%}, {other} {alone.mean():+z.1%}, to step {last}; "
        f"{p_value(p)}, {stands_on}"
    )
    if lacking := few(seeds):
        return Finding(LOSSES, told, UNDECIDED, lacking)
    if p < SIGNIFICANT and alone.mean() >= OVERFITTED and blended.mean() < alone.mean():
        return Finding(LOSSES, told, SUPPORTED)
    if p < SIGNIFICANT and blended.mean() >= OVERFITTED and blended.mean() > alone.mean():
        return Finding(LOSSES, told, CONTRADICTED)
    neither = max(alone.mean(), blended.mean()) < OVERFITTED
    why = "neither overfits" if neither else "no difference that the folds tell"
    return Finding(LOSSES, told, UNDECIDED, why)


_LAST = {"FCNN+RNN": "raw", "ARNN+RNN": "time-frequency"}


def no_overfitting(evidence: Evidence, case: Case) -> Finding | None:
    """Test by ``NO_OVERFITTING`` that no system overfits on SHHS; ``None`` elsewhere."""
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
    if lacking := few(seeds):
        return Finding(LOSSES, told, UNDECIDED, lacking)
    ratio = _ratio(evidence, case, stands_on)
    known = {
        system: np.sign(rise.mean() - OVERFITTED)
        for system, rise in rises.items()
        if inference.corrected_t(rise - OVERFITTED, ratio) < SIGNIFICANT
    }
    if 1 in known.values():
        return Finding(LOSSES, told, CONTRADICTED)
    if len(known) == len(systems):
        return Finding(LOSSES, told, SUPPORTED)
    unknown = ", ".join(system for system in systems if system not in known)
    return Finding(LOSSES, told, UNDECIDED, f"not known of {unknown}")


def smoother(evidence: Evidence, case: Case) -> Finding:
    """Test by ``SMOOTHER`` whether the loss weights of XSleepNet2 change less."""
    found = [
        {run: _change(history) for run, history in evidence.histories(case, system).items()}
        for system in XSLEEPNETS
    ]
    (second, first), seeds, stands_on = _by_fold(found)
    p = inference.corrected_t(first - second, _ratio(evidence, case, stands_on))
    told = (
        f"a change of {second.mean():.4f}, of XSleepNet1 {first.mean():.4f}; {p_value(p)}, "
        f"{stands_on}"
    )
    if lacking := few(seeds):
        return Finding(WEIGHTS, told, UNDECIDED, lacking)
    if p < SIGNIFICANT:
        return Finding(WEIGHTS, told, SUPPORTED if second.mean() < first.mean() else CONTRADICTED)
    return Finding(WEIGHTS, told, UNDECIDED, "no difference that the folds tell")


def _change(history: pd.DataFrame) -> float:
    """Return the mean change of the smoothed loss weights per evaluation, once they are adapted."""
    weights = history.filter(regex=" weight$").to_numpy(float)
    adapted = np.flatnonzero(np.ptp(weights, axis=1) > 0)
    weights = weights[adapted[0] :] if len(adapted) else weights[:0]
    if len(weights) <= SMOOTHED:
        raise InputError(f"fewer than {SMOOTHED + 1} evaluations with adapted weights")
    smoothed = np.lib.stride_tricks.sliding_window_view(weights, SMOOTHED, axis=0).mean(axis=-1)
    return float(np.abs(np.diff(smoothed, axis=0)).mean())
