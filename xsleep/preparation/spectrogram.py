"""Time-frequency images: log-magnitude short-time Fourier transform (Section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft

from xsleep.core.arrays import Doubles, Rows, Singles
from xsleep.core.recording import BINS, FRAMES, RATE

WINDOW = 2 * RATE
HOP = RATE
FFT = 256

SILENCE = 1e-6
"""Smallest magnitude, so that digital silence is -120 dB rather than minus infinity; far below the
quantisation of any recording."""

DECIBELS = np.float32(20 / np.log(10))
"""Factor of the natural logarithm, which numpy computes three times faster than the decimal one."""

BLOCK = 16
"""Epochs transformed at a time: few, so that the buffers stay in the cache."""


@dataclass(frozen=True)
class Spectrograms:
    """The `spectrogram` (n, 29, 129) of (n, 3000) epochs, computed where it is asked for."""

    epochs: Rows

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of epochs, and of frames and frequency bins of each."""
        return len(self.epochs), FRAMES, BINS

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, part: slice) -> Singles:
        return spectrogram(self.epochs[part])


def spectrogram(epochs: Rows) -> Singles:
    """Return the log-magnitude spectrograms (n, 29, 129) of epochs (Section 4.2).

    The epochs are (n, 3000) microvolts at 100 Hz. Frames are 2-s Hamming windows with 50 % overlap,
    transformed by a 256-point FFT; the value in bin b, of 100 b / 256 Hz, is 20 log10 of the
    magnitude.
    """
    window = np.hamming(WINDOW).astype(np.float32)
    frames = np.zeros((BLOCK, FRAMES, FFT), np.float32)
    out = np.empty((len(epochs), FRAMES, BINS), np.float32)
    for start in range(0, len(epochs), BLOCK):
        block = sliding_window_view(epochs[start : start + BLOCK], WINDOW, axis=1)[:, ::HOP]
        np.multiply(block, window, out=frames[: len(block), :, :WINDOW])
        image = out[start : start + BLOCK]
        np.abs(fft.rfft(frames[: len(block)]), out=image)
        np.maximum(image, SILENCE, out=image)
        np.log(image, out=image)
        image *= DECIBELS
    return out


def running_sums(images: Rows) -> Doubles:
    """Return cumulative sums of spectrograms, of which differences are the sums of any window.

    The sums, (n + 1, 2, 129), are those of the values and of their squares over all frames before
    each epoch, of spectrograms (n, 29, 129).
    """
    sums = np.zeros((len(images) + 1, 2, BINS))
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK].astype(np.float64)
        rows = sums[start + 1 : start + 1 + BLOCK]
        block.sum(axis=1, out=rows[:, 0])
        np.square(block, out=block).sum(axis=1, out=rows[:, 1])
    return np.cumsum(sums, axis=0, out=sums)
