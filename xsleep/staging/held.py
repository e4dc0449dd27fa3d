"""A recording held in memory, as the networks read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xsleep.config.network import NetworkSettings
from xsleep.core.arrays import Floats, Singles
from xsleep.core.recording import EPOCH_SECONDS, Signal
from xsleep.core.stages import UNSCORED
from xsleep.preparation.preprocessing import SAMPLES, filtered_channel
from xsleep.preparation.spectrogram import spectrogram
from xsleep.store.recordings import RecordingInfo
from xsleep.training.sequences import Part, amplitude_scale


@dataclass(frozen=True)
class HeldData:
    """Epochs of a recording in memory (`xsleep.training.sequences.Epochs`).

    Attributes:
        channels: in the order of the last axis.
        signals: (n, 3000, C) microvolts.
        images: (n, 29, 129, C) decibels.
        hashes: none, as there are no files.
    """

    channels: tuple[str, ...]
    signals: Singles
    images: Singles
    hashes: Mapping[str, str] = field(default_factory=dict)

    def raw(self, start: int, stop: int, out: Singles | None = None) -> Singles:
        """Return (stop - start, 3000, C) microvolts."""
        return self.signals[start:stop]

    def time_frequency(self, start: int, stop: int, out: Singles | None = None) -> Singles:
        """Return (stop - start, 29, 129, C) decibels."""
        return self.images[start:stop]

    def sums(self) -> NDArray[np.float64]:
        """Return the sums (2, 129, C) of the decibels and of their squares over all frames."""
        squares = np.einsum("nftc,nftc->tc", self.images, self.images, dtype=np.float64)
        return np.stack([self.images.sum((0, 1), dtype=np.float64), squares])


def held_part(
    name: str, signals: Mapping[str, Signal], bad: NDArray[np.bool_], settings: NetworkSettings
) -> tuple[Part, Floats]:
    """Return the good epochs of a recording, and the mean decibels (n, 129) of all its epochs.

    Args:
        name: of the recording.
        signals: channel to signal, in the order of the network's channels.
        bad: (n,) epochs that are left out.
        settings: of the network.
    """
    raw = np.stack(
        [
            filtered_channel(Path(name), channel, signal, settings)[: len(bad) * SAMPLES]
            for channel, signal in signals.items()
        ],
        axis=-1,
    ).reshape(len(bad), SAMPLES, len(signals))
    images = np.stack([spectrogram(raw[..., c]) for c in range(len(signals))], axis=-1)
    spectrum = images[..., 0].mean(axis=1)
    places = np.flatnonzero(~bad)
    raw, images = raw[places], images[places]
    if settings.raw_deviation is not None:
        raw *= amplitude_scale(raw, settings.raw_deviation, name).astype(np.float32)
    onsets = places * float(EPOCH_SECONDS)
    info = RecordingInfo(name, "", places, onsets, np.full(len(places), UNSCORED, "i1"))
    return Part(info, HeldData(tuple(signals), raw, images)), spectrum
