"""Check of the end of each training, and of the network that was kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xsleep.compute import device
from xsleep.config.training import TrainingSettings
from xsleep.networks import checkpoints
from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.finding import Findings, faults_of, many
from xsleep.results.audit.trainings import Training
from xsleep.training.evaluation import evaluate
from xsleep.training.parts import load_part

ACCURACY = 0.002
"""Tolerance of the accuracy on the validation recordings: it may be from another device."""


def stopping(evidence: Evidence) -> Findings:
    """The end of training and the kept network follow from the validation accuracies.

    Both are found again in ``history.csv``, and the kept network is evaluated again on the
    validation recordings.
    """

    def examine(training: Training) -> Iterator[str]:
        path, record = training.folder / "history.csv", training.record
        settings = TrainingSettings(**record["training"])
        steps = training.history["step"].to_numpy()
        joint, suffix = "joint validation accuracy", " validation accuracy"
        branches = [column for column in training.history.columns if column.endswith(suffix)]
        (column,) = [joint] if joint in branches else branches
        accuracies = training.history[column].astype(float).to_numpy()
        counted = (steps > 0) | (record["steps"] == 0)
        best = int(np.flatnonzero(counted & (accuracies == accuracies[counted].max()))[-1])
        if steps[best] != record["best_step"]:
            yield (
                f"{path}: the best validation accuracy is at step {steps[best]}, but run.json says "
                f"{record['best_step']}"
            )
        if steps[-1] != record["steps"]:
            yield f"{path}: ends at step {steps[-1]}, but run.json says {record['steps']}"
        end = _out_of_patience(steps.tolist(), accuracies.tolist(), settings)
        if end is not None and end < steps[-1]:
            yield f"{path}: continues after step {end}, where patience ran out"
        kept = best if settings.model_kept == "best" else -1
        network, _, channels = checkpoints.load(training.folder / "model.safetensors")
        parts = [
            load_part(evidence.stored_of(used), used.window, channels, network.settings)
            for used in training.used("validation")
        ]
        network.to(device.best())
        found = evaluate(network, parts, settings.longest_gap).accuracies[network.branches[-1]]
        if abs(found - accuracies[kept]) > ACCURACY:
            yield (
                f"{path}: validation accuracy {accuracies[kept]:.2%} at step {steps[kept]}, but "
                f"the network has {found:.2%} on its {many(len(parts), 'validation recording')}"
            )

    faults = faults_of(evidence.trainings, examine)
    return Findings(many(len(evidence.trainings), "training"), faults)


def _out_of_patience(
    steps: list[int], accuracies: list[float], settings: TrainingSettings
) -> int | None:
    """Return the step of the first evaluation that left no patience."""
    if settings.patience is None:
        return None
    best, without_gain = -1.0, 0
    for step, accuracy in zip(steps, accuracies, strict=True):
        without_gain += 1
        if step and accuracy >= best:
            best, without_gain = accuracy, 0
        if step >= settings.earliest_stop and without_gain >= settings.patience:
            return step
    return None
