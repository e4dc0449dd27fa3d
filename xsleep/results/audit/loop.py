"""Checks of the training loop: its sequences, its end and the network that it kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from xsleep.compute import device
from xsleep.config.network import NetworkSettings
from xsleep.config.training import TrainingSettings
from xsleep.core.arrays import Integers
from xsleep.networks import checkpoints
from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.finding import Findings, faults_of, many
from xsleep.results.audit.trainings import Training, UsedRecording
from xsleep.training.evaluation import evaluate
from xsleep.training.parts import load_part
from xsleep.training.sequences import Part, TrainingSequences

ACCURACY = 0.002
"""Tolerance of the accuracy on the validation recordings: it may be from another device."""


def stopping(evidence: Evidence) -> Findings:
    """The end of training and the kept network follow from the validation accuracies or losses.

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
        scores = accuracies
        if settings.selected_by == "loss":
            scores = -training.history[column.replace("accuracy", "loss")].astype(float).to_numpy()
        counted = (steps > 0) | (record["steps"] == 0)
        best = int(np.flatnonzero(counted & (scores == scores[counted].max()))[-1])
        if steps[best] != record["best_step"]:
            yield (
                f"{path}: the best validation {settings.selected_by} is at step {steps[best]}, but "
                f"run.json says {record['best_step']}"
            )
        if steps[-1] != record["steps"]:
            yield f"{path}: ends at step {steps[-1]}, but run.json says {record['steps']}"
        end = _out_of_patience(steps.tolist(), scores.tolist(), settings)
        if end is not None and end < steps[-1]:
            yield f"{path}: continues after step {end}, where patience ran out"
        kept = best if settings.model_kept == "best" else -1
        network, _, channels = checkpoints.load(training.folder / "model.safetensors")
        parts = _parts(evidence, training.used("validation"), channels, network.settings)
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
    steps: list[int], scores: list[float], settings: TrainingSettings
) -> int | None:
    """Return the step of the first evaluation that left no patience."""
    if settings.patience is None:
        return None
    best, without_gain = -np.inf, 0
    for step, score in zip(steps, scores, strict=True):
        without_gain += 1
        if step and score >= best:
            best, without_gain = score, 0
        if step >= settings.earliest_stop and without_gain >= settings.patience:
            return step
    return None


def sequences(evidence: Evidence) -> Findings:
    """No training sequence crosses recordings or bridges a gap longer than configured.

    The sequences are drawn as in training; their number is also counted independently.
    """
    counted = []

    def examine(training: Training) -> Iterator[str]:
        record = training.record
        settings = TrainingSettings(**record["training"])
        # Without the amplitudes, which do not matter here, as they need all signals.
        network = NetworkSettings(**record["network"] | {"raw_deviation": None})
        length, gap = network.sequence_length, settings.longest_gap
        used, channels = training.used("training"), tuple(record["channels"].split("-"))
        parts = _parts(evidence, used, channels, network)
        batches = TrainingSequences(
            parts,
            length,
            settings.batch_size,
            gap,
            seed=record["seed"],
            shuffle=settings.shuffle,
            balanced=settings.balanced,
        )
        chosen = np.concatenate([batches.chosen(step) for step in range(len(batches))])
        counted.append(len(chosen))
        for number, (one, part) in enumerate(zip(used, parts, strict=True)):
            name, places = part.info.recording, part.info.places
            if (np.diff(places) <= 0).any():
                yield f"{one.store}: {name} goes back in time: it is more than one recording"
            firsts = chosen[chosen[:, 0] == number, 1]
            if (crossing := firsts[firsts + length > len(places)]).size:
                yield (
                    f"{training.folder}: a sequence of {length} epochs begins at epoch "
                    f"{crossing[0]} of the {len(places)} of {name}"
                )
            elif gap is not None and (bridging := _bridging(places, firsts, length, gap)).size:
                first = bridging[0]
                yield f"{training.folder}: a sequence of {name} bridges a gap at epoch {first}"
        expected = sum(_count(part.info.places, length, gap) for part in parts)
        if record["training_sequences"] != expected:
            yield (
                f"{training.folder / 'run.json'}: {record['training_sequences']:,} training "
                f"sequences, but {expected:,} lie within one recording"
            )

    faults = faults_of(evidence.trainings, examine)
    return Findings(many(sum(counted), "sequence"), faults)


def _bridging(places: Integers, firsts: Integers, length: int, gap: int) -> Integers:
    """Return the first epochs of the sequences that bridge more than ``gap`` dropped epochs."""
    longer = np.concatenate([[0], np.cumsum(np.diff(places) > gap + 1)])
    found: Integers = firsts[longer[firsts + length - 1] > longer[firsts]]
    return found


def _count(places: Integers, length: int, gap: int | None) -> int:
    """Return the number of sequences of a recording."""
    longest = np.inf if gap is None else gap + 1
    cuts = np.flatnonzero(np.diff(places) > longest) + 1
    return sum(max(len(stretch) - length + 1, 0) for stretch in np.split(places, cuts))


def _parts(
    evidence: Evidence,
    recordings: Iterable[UsedRecording],
    channels: tuple[str, ...],
    network: NetworkSettings,
) -> list[Part]:
    return [load_part(evidence.stored_of(u), u.window, channels, network) for u in recordings]
