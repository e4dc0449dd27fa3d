"""Time-frequency images: the log-magnitude short-time Fourier transform of Section 4.2."""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.signal.windows import hamming

from xsleep.store import RATE

WINDOW = 2 * RATE
HOP = RATE
FFT = 256
FRAMES, BINS = 29, FFT // 2 + 1

SILENCE = 1e-6
"""Smallest magnitude, so that digital silence is -120 dB rather than minus infinity.

It is far below the quantisation of any recording, so no real value is touched."""

BLOCK = 256
"""Epochs transformed at once, to bound memory."""


def spectrogram(epochs: np.ndarray) -> np.ndarray:
    """Log-magnitude spectra: (n, 3000) microvolts at 100 Hz to (n, 29, 129) decibels.

    Frames are 2-s Hamming windows with 50 % overlap, transformed by a 256-point FFT;
    the value is 20 log10 of the magnitude. Bin b stands for 100 b / 256 Hz.
    """
    window = hamming(WINDOW).astype(np.float32)
    out = np.empty((len(epochs), FRAMES, BINS), np.float32)
    for start in range(0, len(epochs), BLOCK):
        block = epochs[start : start + BLOCK]
        frames = np.lib.stride_tricks.sliding_window_view(block, WINDOW, axis=1)[:, ::HOP]
        magnitude = np.abs(fft.rfft(frames * window, FFT))
        out[start : start + BLOCK] = 20 * np.log10(np.maximum(magnitude, SILENCE))
    return out
