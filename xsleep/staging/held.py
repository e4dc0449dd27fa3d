"""A recording held in memory, as the networks read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xsleep.core.arrays import Doubles, Integers, Singles
from xsleep.core.recording import EPOCH_SECONDS
from xsleep.core.stages import UNSCORED
from xsleep.preparation.spectrogram import spectrogram
from xsleep.store.recordings import RecordingInfo
from xsleep.training.sequences import Part, amplitude_scale, blocks

BLOCK = 256
"""Epochs whose spectrograms are computed at a time."""


@dataclass(frozen=True)
class HeldData:
    """Epochs of a recording in memory (`xsleep.training.sequences.Epochs`).

    Spectrograms are computed when they are read: of three days they take more memory than anything
    else.

    Attributes:
        signals: channel to (n, 3000) filtered microvolts at 100 Hz.
        places: (m,) indices of the epochs that are read.
        hashes: none, as there are no files.
    """

    signals: Mapping[str, Singles]
    places: Integers
    hashes: Mapping[str, str] = field(default_factory=dict)

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels in the order of the last axis."""
        return tuple(self.signals)

    def raw(self, start: int, stop: int, out: Singles | None = None) -> Singles:
        """Return (stop - start, 3000, C) microvolts."""
        return self._of(self.places[start:stop])

    def time_frequency(self, start: int, stop: int, out: Singles | None = None) -> Singles:
        """Return (stop - start, 29, 129, C) decibels."""
        return self._images(self.places[start:stop])

    def sums(self) -> Doubles:
        """Return the sums (2, 129, C) of the decibels and of their squares over all frames."""
        found: Doubles = np.zeros(())
        for start, stop in blocks(len(self.places), BLOCK):
            images = self.time_frequency(start, stop)
            squares = np.einsum("nftc,nftc->tc", images, images, dtype=np.float64)
            found = found + np.stack([images.sum((0, 1), dtype=np.float64), squares])
        return found

    def _of(self, places: Integers) -> Singles:
        return np.stack([values[places] for values in self.signals.values()], axis=-1)

    def _images(self, places: Integers) -> Singles:
        images = [spectrogram(values[places]) for values in self.signals.values()]
        return np.stack(images, axis=-1)


def held_part(
    name: str, signals: Mapping[str, Singles], bad: NDArray[np.bool_], deviation: float | None
) -> Part:
    """Return the good epochs of a recording.

    Args:
        name: of the recording.
        signals: channel to (n, 3000) filtered microvolts at 100 Hz, in the network's order.
        bad: (n,) epochs that are left out.
        deviation: standard deviation in microvolts that each raw signal is scaled to, if any.
    """
    places = np.flatnonzero(~bad)
    data = HeldData(signals, places)
    scale = amplitude_scale(data.raw(0, len(places)), deviation, name) if deviation else None
    onsets = places * float(EPOCH_SECONDS)
    info = RecordingInfo(name, "", places, onsets, np.full(len(places), UNSCORED, "i1"))
    return Part(info, data, scale)
