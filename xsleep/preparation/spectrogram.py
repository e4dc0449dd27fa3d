"""Time-frequency images: the log-magnitude short-time Fourier transform of Section 4.2."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft

from xsleep.core.recording import RATE

WINDOW = 2 * RATE
HOP = RATE
FFT = 256
FRAMES, BINS = 29, FFT // 2 + 1

SILENCE = 1e-6
"""Smallest magnitude, so that digital silence is -120 dB rather than minus infinity.

It is far below the quantisation of any recording, so no real value is touched."""

DECIBELS = np.float32(20 / np.log(10))
"""Factor on the natural logarithm, which numpy computes three times faster than the decimal."""

BLOCK = 16
"""Epochs transformed at once: few, to stay in memory that is in use already."""


def spectrogram(epochs: np.ndarray) -> np.ndarray:
    """Log-magnitude spectra: (n, 3000) microvolts at 100 Hz to (n, 29, 129) decibels.

    Frames are 2-s Hamming windows with 50 % overlap, transformed by a 256-point FFT;
    the value is 20 log10 of the magnitude. Bin b stands for 100 b / 256 Hz.
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


def running_sums(images: np.ndarray) -> np.ndarray:
    """(n, 29, 129) decibels to (n + 1, 2, 129) sums of values and squares over all frames before.

    The difference of two rows holds the sums over the epochs between, of any window, in place of
    all that was summed.
    """
    sums = np.zeros((len(images) + 1, 2, BINS))
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK].astype(np.float64)
        rows = sums[start + 1 : start + 1 + BLOCK]
        block.sum(axis=1, out=rows[:, 0])
        np.square(block, out=block).sum(axis=1, out=rows[:, 1])
    return np.cumsum(sums, axis=0, out=sums)
