"""Check of the statistics with which spectrograms are normalised."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from xsleep.core.arrays import Doubles
from xsleep.core.recording import BINS, FRAMES
from xsleep.networks import checkpoints
from xsleep.preparation.windows import in_window
from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.finding import Findings, NotApplicable, faults_of, many
from xsleep.results.audit.trainings import Training, UsedRecording
from xsleep.store.recordings import RecordingData
from xsleep.training.sequences import DEAD, blocks

DECIBELS, SHARE = 1e-4, 1e-5
"""Tolerances, absolute and relative: those of single precision."""

EPOCHS = 256
"""Number of epochs that are read at once."""


def normalisation(evidence: Evidence) -> Findings:
    """Spectrograms are normalised with the statistics of the training recordings alone.

    These are recomputed from every stored spectrogram, not from the sums stored with them.
    """
    examined = []

    @cache
    def sums(used: UsedRecording, channels: tuple[str, ...]) -> tuple[int, Doubles]:
        """Return the number of frames, and the sums (2, 129, C) of decibels and squares."""
        stored = evidence.stored_of(used)
        chosen = np.flatnonzero(in_window(stored.info, used.window))
        data = RecordingData(stored, channels, chosen)
        total = np.zeros((2, BINS, len(channels)))
        for start, stop in blocks(len(data), EPOCHS):
            images = data.time_frequency(start, stop).astype(float)
            total += images.sum((0, 1)), (images**2).sum((0, 1))
        return len(data) * FRAMES, total

    def examine(training: Training) -> Iterator[str]:
        path = training.folder / "model.safetensors"
        network, _, channels = checkpoints.load(path)
        if "time-frequency" not in network.views:
            return
        examined.append(path)
        used = training.used("training")
        frames, totals = zip(*(sums(one, channels) for one in used), strict=True)
        mean, square = np.sum(totals, axis=0) / sum(frames)
        if network.settings.normalisation == "channels":
            mean[:], square[:] = mean.mean(0), square.mean(0)
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        deviation[deviation <= DEAD * np.abs(mean)] = 1
        for name, there, here in (
            ("mean", network.mean.numpy(), mean),
            ("standard deviation", network.deviation.numpy(), deviation),
        ):
            if not np.allclose(there, here, rtol=SHARE, atol=DECIBELS):
                yield (
                    f"{path}: its {name} differs by up to {np.abs(there - here).max():.3g} dB from "
                    f"that of its {many(len(used), 'training recording')}"
                )

    faults = faults_of(evidence.trainings, examine)
    if not examined and not faults:
        raise NotApplicable("no system reads spectrograms")
    return Findings(many(len(examined), "network"), faults)
