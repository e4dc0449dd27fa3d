"""Tables B, C and D of the appendix of the XSleepNet paper."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xsleep.core.arrays import Floats, Integers
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results import inference
from xsleep.results.measurements import Decide, RunPredictions, SystemResults, gather
from xsleep.results.metrics import class_wise, probabilities
from xsleep.store.predictions import Prediction

BRANCHES = ("raw", "time-frequency", "joint")
ENSEMBLES = ("ensemble, unweighted", "ensemble, weighted as trained")
"""Ensembles of the three branches: their probabilities are added, with loss weights or without."""

SHOWN = ("accuracy", "kappa", "MF1")


def b(results: Iterable[SystemResults]) -> pd.DataFrame:
    """Compute Appendix B: mean and standard deviation over folds of each metric.

    The metric of a fold is that of its pooled epochs, averaged over seeds.

    Returns:
        A row per database, window, channel set and system: ``folds``, ``seeds``, and for each of
        ``METRICS`` ``"mean {metric}"`` and ``"deviation of {metric}"``, NaN for a single fold.
    """
    rows = []
    for result in results:
        folds = inference.each(result.matrices("fold"))
        row: dict[str, Any] = {"folds": result.number("fold"), "seeds": result.number("seed")}
        for metric, values in folds.items():
            row[f"mean {metric}"] = np.mean(values) if len(values) else np.nan
            row[f"deviation of {metric}"] = np.std(values, ddof=1) if len(values) > 1 else np.nan
        rows.append(_names(result) | row | _gaps(result))
    return pd.DataFrame(rows)


def c(results: Iterable[SystemResults]) -> pd.DataFrame:
    """Compute Appendix C: per-class metrics and confusion matrix of each seed.

    Returns:
        A row per database, window, channel set, system, seed and true stage: its ``epochs``, the
        number predicted as each stage (``"called {stage}"``), then ``CLASS_WISE`` in percent, NaN
        where one is undefined.
    """
    rows = []
    for result in results:
        seeds = result.counts.index.unique("seed")
        for seed, matrix in zip(seeds, result.matrices(), strict=True):
            values = class_wise(matrix)
            for stage, name in enumerate(STAGES):
                calls = zip(STAGES, matrix[stage].tolist(), strict=True)
                rows.append(
                    _names(result)
                    | {"seed": seed, "true stage": name, "epochs": int(matrix[stage].sum())}
                    | {f"called {other}": count for other, count in calls}
                    | {measure: value[stage] for measure, value in values.items()}
                    | _gaps(result)
                )
    return pd.DataFrame(rows)


def d(runs: Iterable[RunPredictions], recordings: Mapping[str, Path]) -> pd.DataFrame:
    """Compute Appendix D: the single branches of a network, and ensembles of the three.

    The probabilities of the branches of an epoch, each aggregated over all sequences that hold it,
    are added, either unweighted or with the loss weights of the branches at the evaluation whose
    network was kept (``history.csv`` and ``run.json`` beside the predictions).

    Args:
        runs: Runs of systems with three branches.
        recordings: As for `xsleep.results.measurements.gather`.

    Returns:
        A row per database, window, channel set, system and each of ``BRANCHES`` and ``ENSEMBLES``:
        accuracy, kappa and MF1, each with the ends of its 95 % interval over subjects.
    """
    runs = list(runs)
    found = {name: decided_by(name, runs, recordings) for name in (*BRANCHES, *ENSEMBLES)}
    rows = []
    for results in zip(*found.values(), strict=True):  # of one system at a time
        for name, result in zip(found, results, strict=True):
            values = inference.estimate(result.matrices())
            spans = inference.intervals(result.matrices("subject"))
            row: dict[str, Any] = {"decided by": name}
            for metric in SHOWN:
                ends = zip((f"from {metric}", f"to {metric}"), spans[metric], strict=True)
                row |= {metric: values[metric], **dict(ends)}
            counts = {level + "s": result.number(level) for level in ("subject", "fold", "seed")}
            rows.append(_names(result) | row | counts | _gaps(result))
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["system", "decided by", "note"])


def decided_by(
    name: str, runs: Iterable[RunPredictions], recordings: Mapping[str, Path]
) -> list[SystemResults]:
    """Return the results of systems with three branches by one of ``BRANCHES`` or ``ENSEMBLES``."""
    if name in BRANCHES:
        return gather(runs, recordings, _by_branch(name))
    return gather(runs, recordings, _unweighted if name == ENSEMBLES[0] else _Weighted())


def kept_weights(folder: Path) -> dict[str, float]:
    """Return the loss weights of the branches at the evaluation whose network a run kept.

    Raises:
        InputError: ``run.json`` or ``history.csv`` is missing or invalid.
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


def _by_branch(branch: str) -> Decide:
    return lambda run, prediction: _likeliest([probabilities(prediction, branch)])


def _unweighted(run: RunPredictions, prediction: Prediction) -> Integers:
    return _likeliest([probabilities(prediction, branch) for branch in BRANCHES])


def _likeliest(terms: Sequence[Floats]) -> Integers:
    """Return the stages (n,) with the highest sum of probabilities (n, 5)."""
    stages: Integers = np.asarray(sum(terms)).argmax(axis=1)
    return stages


class _Weighted:
    def __init__(self) -> None:
        self._weights: dict[Path, dict[str, float]] = {}

    def __call__(self, run: RunPredictions, prediction: Prediction) -> Integers:
        folder = run.predictions.parent
        if folder not in self._weights:
            self._weights[folder] = kept_weights(folder)
        weights = self._weights[folder].items()
        return _likeliest([w * probabilities(prediction, b) for b, w in weights])


def _names(result: SystemResults) -> dict[str, str]:
    return {n: getattr(result, n) for n in ("database", "window", "channels", "system")}


def _gaps(result: SystemResults) -> dict[str, str]:
    return {"note": "; ".join(result.gaps)}
