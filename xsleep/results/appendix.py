"""Tables B, C and D of the appendix of the XSleepNet paper."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xsleep.core.arrays import Integers
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results import inference
from xsleep.results.histories import read_history
from xsleep.results.measurements import RunPredictions, SystemResults, gather
from xsleep.results.metrics import class_wise, probabilities
from xsleep.store.predictions import Prediction

BRANCHES = ("raw", "time-frequency", "joint")
ENSEMBLES = ("ensemble, unweighted", "ensemble, weighted as trained")
"""Ensembles of the three branches: their probabilities are added, with loss weights or without."""

SHOWN = ("accuracy", "kappa", "MF1")


def b(results: Iterable[SystemResults]) -> pd.DataFrame:
    """Return Appendix B: mean and standard deviation over folds of each metric.

    The metric of a fold is that of its pooled epochs, averaged over seeds. A row per database,
    window, channel set and system: ``folds``, ``seeds``, and for each of ``METRICS``
    ``"mean {metric}"`` and ``"deviation of {metric}"``, NaN for a single fold.
    """
    rows = []
    for result in results:
        row: dict[str, Any] = result.names | result.numbers("folds", "seeds")
        for metric, values in inference.each(result.matrices("fold")).items():
            row[f"mean {metric}"] = np.mean(values) if len(values) else np.nan
            row[f"deviation of {metric}"] = np.std(values, ddof=1) if len(values) > 1 else np.nan
        rows.append(row | {"note": result.note})
    return pd.DataFrame(rows)


def c(results: Iterable[SystemResults]) -> pd.DataFrame:
    """Return Appendix C: per-class metrics and confusion matrix of each seed.

    A row per database, window, channel set, system, seed and true stage: its ``epochs``, the number
    predicted as each stage (``"called {stage}"``), then ``CLASS_WISE`` in percent, NaN where one is
    undefined.
    """
    blocks = [pd.DataFrame()]
    for result in results:
        seeds = result.counts.index.unique("seed")
        for seed, matrix in zip(seeds, result.matrices(), strict=True):
            block = {"seed": seed, "true stage": STAGES, "epochs": matrix.sum(axis=1)}
            block |= {f"called {STAGES[stage]}": called for stage, called in enumerate(matrix.T)}
            note = {"note": result.note}
            blocks.append(pd.DataFrame(result.names | block | class_wise(matrix) | note))
    return pd.concat(blocks, ignore_index=True)


def d(runs: Iterable[RunPredictions], recordings: Mapping[str, Path]) -> pd.DataFrame:
    """Return Appendix D: the single branches of networks with three, and ensembles of the three.

    The probabilities of the branches of an epoch, each aggregated over all sequences that hold it,
    are added, either unweighted or with the loss weights of the branches at the evaluation whose
    network was kept (``history.csv`` and ``run.json`` beside the predictions).

    A row per database, window, channel set, system and each of ``BRANCHES`` and ``ENSEMBLES``:
    accuracy, kappa and MF1, each with the ends of its 95 % interval over subjects.
    """
    runs = list(runs)
    found = {name: decided_by(name, runs, recordings) for name in (*BRANCHES, *ENSEMBLES)}
    rows = []
    for results in zip(*found.values(), strict=True):  # of one system at a time
        for name, result in zip(found, results, strict=True):
            row: dict[str, Any] = result.names | {"decided by": name}
            estimates = result.estimates()
            for metric in SHOWN:
                columns = (metric, f"from {metric}", f"to {metric}")
                row |= zip(columns, estimates[metric], strict=True)
            rows.append(row | result.numbers("subjects", "folds", "seeds") | {"note": result.note})
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["system", "decided by", "note"])


def decided_by(
    name: str, runs: Iterable[RunPredictions], recordings: Mapping[str, Path]
) -> list[SystemResults]:
    """Return the results of systems with three branches by one of ``BRANCHES`` or ``ENSEMBLES``."""

    @cache
    def weights(folder: Path) -> dict[str, float]:
        if name == ENSEMBLES[1]:
            return kept_weights(folder)
        return dict.fromkeys(BRANCHES if name == ENSEMBLES[0] else [name], 1)

    def decide(run: RunPredictions, prediction: Prediction) -> Integers:
        terms = weights(run.predictions.parent).items()
        added = sum(weight * probabilities(prediction, branch) for branch, weight in terms)
        stages: Integers = np.asarray(added).argmax(axis=1)
        return stages

    return gather(runs, recordings, decide)


def kept_weights(folder: Path) -> dict[str, float]:
    """Return the loss weights of the branches at the evaluation whose network a run kept.

    Raises:
        InputError: ``run.json`` or ``history.csv`` is missing or invalid.
    """
    try:
        run = json.loads((folder / "run.json").read_text())
        step = run["best_step"] if run["training"]["model_kept"] == "best" else run["steps"]
        history = read_history(folder / "history.csv").set_index("step")
        # where the last step is no evaluation, the weights are those of the last before it
        line = history.loc[:step].iloc[-1]
        weights = {branch: float(line[f"{branch} weight"]) for branch in BRANCHES}
        if not np.isfinite(list(weights.values())).all():
            raise ValueError(f"weights {weights}")
    except InputError:
        raise
    except (OSError, ValueError, LookupError, RecursionError) as error:
        raise InputError(
            f"{folder}: run.json and history.csv do not give the weights of the network that was "
            f"kept ({' '.join(str(error).split())}); delete the run and train again"
        ) from error
    return weights
