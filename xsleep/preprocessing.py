"""From a recording to 30-s epochs at 100 Hz, and the windows of a night.

Signals are resampled with an anti-alias filter and band-passed 0.3-40 Hz, as the released code
does (101-tap FIR, window method, Hamming, forwards and backwards).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from scipy import signal as dsp

from xsleep.errors import InputError
from xsleep.recording import Recording, Signal
from xsleep.stages import UNSCORED
from xsleep.store import EPOCH_SECONDS, RATE

SAMPLES = EPOCH_SECONDS * RATE
PASS_BAND = (0.3, 40.0)
TAPS = 101

WINDOWS = ("in-bed", "in-bed+30min", "whole-night")
"""Parts of a night: lights off to lights on, that and 30 minutes on either side, everything."""

MARGIN_SECONDS = 30 * 60


@dataclass(frozen=True)
class Epochs:
    """The scored epochs of one recording.

    Attributes:
        places: (n,) place of each epoch in the night; a jump marks epochs that were dropped.
        onsets: (n,) seconds from the start of the recording.
        stages: (n,) labels.
        signals: channel to (n, 3000) samples in microvolts.
    """

    places: np.ndarray
    onsets: np.ndarray
    stages: np.ndarray
    signals: Mapping[str, np.ndarray] = field(repr=False)


def cut(recording: Recording) -> Epochs:
    """Filter the signals and cut the scored epochs that lie wholly within them.

    Raises:
        InputError: no epoch is scored.
    """
    hypnogram = recording.hypnogram
    seconds = min(signal.seconds for signal in recording.signals.values())
    inside = (hypnogram.onsets >= 0) & (hypnogram.onsets + EPOCH_SECONDS <= seconds)
    places = np.flatnonzero(inside & (hypnogram.stages != UNSCORED))
    if not len(places):
        raise InputError(f"{recording.files[-1]}: no epoch is scored; score it or take it away")
    onsets = hypnogram.onsets[places]
    starts = np.rint(onsets * RATE).astype(int)
    samples = starts[:, None] + np.arange(SAMPLES)
    return Epochs(
        places,
        onsets,
        hypnogram.stages[places],
        {name: filtered(signal)[samples] for name, signal in recording.signals.items()},
    )


def filtered(signal: Signal) -> np.ndarray:
    """(n,) float32 microvolts at 100 Hz, band-passed without a shift in phase."""
    values = np.asarray(signal.values, np.float64)
    ratio = Fraction(RATE / signal.rate).limit_denominator(10_000)
    if ratio != 1:
        values = dsp.resample_poly(values, ratio.numerator, ratio.denominator)
    taps = dsp.firwin(TAPS, PASS_BAND, pass_zero=False, fs=RATE)
    # Forwards and backwards with the same taps is one convolution with their autocorrelation;
    # the reflected margins are those of scipy.signal.filtfilt.
    margin = min(3 * TAPS, len(values) - 1)
    padded = np.concatenate(
        [
            2 * values[0] - values[margin:0:-1],
            values,
            2 * values[-1] - values[-2 : -margin - 2 : -1],
        ]
    )
    smooth = dsp.oaconvolve(padded, np.convolve(taps, taps[::-1]), mode="same")
    return smooth[margin : margin + len(values)].astype(np.float32)


def in_window(onsets: np.ndarray, lights: tuple[float, float] | None, window: str) -> np.ndarray:
    """(n,) whether each epoch begins within the window.

    Raises:
        InputError: the window needs the lights times and there are none.
    """
    if window == "whole-night":
        return np.ones(len(onsets), bool)
    if lights is None:
        raise InputError(f"no lights times, which the window {window} needs; choose whole-night")
    margin = MARGIN_SECONDS if window == "in-bed+30min" else 0
    off, on = lights
    return (onsets >= off - margin) & (onsets < on + margin)
