"""Tables B, C and D of the appendix of the XSleepNet paper."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results import inference
from xsleep.results.measurements import Cell, Outcome, gather
from xsleep.results.metrics import class_wise, probabilities
from xsleep.store.predictions import Prediction

BRANCHES = ("raw", "time-frequency", "joint")
ENSEMBLES = ("ensemble, unweighted", "ensemble, weighted as trained")
"""Of the three branches: their probabilities added, or added as the losses were weighted."""

SHOWN = ("accuracy", "kappa", "MF1")


def b(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Appendix B: mean and standard deviation over the folds of each metric of a fold.

    A fold's metric is that of its pooled epochs, with several seeds the mean over them.

    Returns:
        A row per database, window, channel set and system: ``folds``, ``seeds``, and for each of
        ``METRICS`` ``"mean {metric}"`` and ``"deviation of {metric}"``, NaN of a single fold.
    """
    rows = []
    for outcome in outcomes:
        folds = inference.each(outcome.matrices("fold"))
        row = {"folds": outcome.number("fold"), "seeds": outcome.number("seed")}
        for metric, values in folds.items():
            row[f"mean {metric}"] = np.mean(values) if len(values) else np.nan
            row[f"deviation of {metric}"] = np.std(values, ddof=1) if len(values) > 1 else np.nan
        rows.append(_names(outcome) | row | _gaps(outcome))
    return pd.DataFrame(rows)


def c(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Appendix C: how well each stage is told, and the confusion matrix, of each seed.

    Returns:
        A row per database, window, channel set, system, seed and true stage: its ``epochs``, those
        of them ``"called {stage}"``, then ``CLASS_WISE`` in percent, NaN where one does not exist.
    """
    rows = []
    for outcome in outcomes:
        seeds = outcome.counts.index.unique("seed")
        for seed, matrix in zip(seeds, outcome.matrices(), strict=True):
            values = class_wise(matrix)
            for stage, name in enumerate(STAGES):
                calls = zip(STAGES, matrix[stage].tolist(), strict=True)
                rows.append(
                    _names(outcome)
                    | {"seed": seed, "true stage": name, "epochs": int(matrix[stage].sum())}
                    | {f"called {other}": count for other, count in calls}
                    | {measure: value[stage] for measure, value in values.items()}
                    | _gaps(outcome)
                )
    return pd.DataFrame(rows)


def d(cells: Iterable[Cell], recordings: Mapping[str, Path]) -> pd.DataFrame:
    """Appendix D: the branches of a network each by itself, and the three as an ensemble.

    The probabilities of the branches of an epoch, each from all sequences that hold it, are added:
    as they are, or as the losses of the branches were weighted when the network was kept, which
    stands in ``history.csv`` and ``run.json`` beside its predictions.

    Args:
        cells: runs of systems with three branches.
        recordings: as for `xsleep.results.measurements.gather`.

    Returns:
        A row per database, window, channel set, system and what decides: each of ``BRANCHES`` and
        ``ENSEMBLES``. For each of accuracy, kappa and MF1 the value and the ends of its 95 %
        interval over subjects.
    """
    cells = list(cells)
    found = {name: decided_by(name, cells, recordings) for name in (*BRANCHES, *ENSEMBLES)}
    rows = []
    for outcomes in zip(*found.values(), strict=True):  # of one system at a time
        for name, outcome in zip(found, outcomes, strict=True):
            values = inference.estimate(outcome.matrices())
            spans = inference.intervals(outcome.matrices("subject"))
            row = {"decided by": name}
            for metric in SHOWN:
                ends = zip((f"from {metric}", f"to {metric}"), spans[metric], strict=True)
                row |= {metric: values[metric], **dict(ends)}
            counts = {level + "s": outcome.number(level) for level in ("subject", "fold", "seed")}
            rows.append(_names(outcome) | row | counts | _gaps(outcome))
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["system", "decided by", "note"])


def decided_by(name: str, cells: Iterable[Cell], recordings: Mapping[str, Path]) -> list[Outcome]:
    """What systems with three branches do where one of ``BRANCHES`` or ``ENSEMBLES`` decides."""
    if name in BRANCHES:
        return gather(cells, recordings, _by_branch(name))
    return gather(cells, recordings, _unweighted if name == ENSEMBLES[0] else _Weighted())


def kept_weights(folder: Path) -> dict[str, float]:
    """The loss weights of the branches at the evaluation whose network a run kept.

    Raises:
        InputError: ``run.json`` or ``history.csv`` do not say.
    """
    try:
        run = json.loads((folder / "run.json").read_text())
        step = run["best_step"] if run["training"]["model_kept"] == "best" else run["steps"]
        history = pd.read_csv(folder / "history.csv").set_index("step")
        # where the last step is no evaluation, the weights are those of the last before it
        line = history.loc[:step].iloc[-1]
        weights = {branch: float(line[f"{branch} weight"]) for branch in BRANCHES}
        if not np.isfinite(list(weights.values())).all():
            raise ValueError(f"weights {weights}")
    except (OSError, ValueError, LookupError) as error:
        raise InputError(
            f"{folder}: run.json and history.csv do not give the weights of the network that was "
            f"kept ({' '.join(str(error).split())}); delete the run and train again"
        ) from error
    return weights


def _by_branch(branch: str):
    return lambda cell, night: probabilities(night, branch).argmax(axis=1)


def _unweighted(cell: Cell, night: Prediction) -> np.ndarray:
    return sum(probabilities(night, branch) for branch in BRANCHES).argmax(axis=1)


class _Weighted:
    def __init__(self) -> None:
        self._weights: dict[Path, dict[str, float]] = {}

    def __call__(self, cell: Cell, night: Prediction) -> np.ndarray:
        folder = cell.predictions.parent
        if folder not in self._weights:
            self._weights[folder] = kept_weights(folder)
        added = sum(w * probabilities(night, b) for b, w in self._weights[folder].items())
        return added.argmax(axis=1)


def _names(outcome: Outcome) -> dict[str, str]:
    return {n: getattr(outcome, n) for n in ("database", "window", "channels", "system")}


def _gaps(outcome: Outcome) -> dict[str, str]:
    return {"note": "; ".join(outcome.gaps)}
