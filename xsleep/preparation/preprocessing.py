"""From a recording to 30-s epochs at 100 Hz.

Signals are resampled with an anti-alias filter and, as in the released code, filtered by `FILTERS`
(101-tap FIR, window method, Hamming, forwards and backwards): EEG and EOG are band-passed, the EMG
is high-passed. The released code for Sleep-EDF, recorded at 100 Hz, and that for SHHS (published
with SleepTransformer) filter at 100 Hz; that for MASS filters at the rate of the recording, and
resamples afterwards. 101 taps reach less far in time there: 0.3 Hz is 2.3 dB down at 256 Hz, and
6.1 at 100 Hz. The paper mentions no filter.

The anti-alias filter is the default of `scipy.signal.resample_poly`, a sinc under a Kaiser window
of 20 periods of the slower of the two rates. Where 100 Hz is the rate times a fraction of small
terms, that function applies it; at any other rate it is interpolated, so that an event stays where
it was however long the recording is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft
from scipy import signal as dsp

from xsleep.config.names import RawFilter
from xsleep.config.network import Filtering
from xsleep.core.errors import DamagedError, InputError
from xsleep.core.recording import EPOCH_SECONDS, RATE, Recording, Signal
from xsleep.core.stages import UNSCORED

SAMPLES = EPOCH_SECONDS * RATE
TAPS = 101

Edges = tuple[float, ...]
FILTERS: dict[RawFilter, tuple[tuple[Edges, bool], ...]] = {
    "band-pass": (((0.3, 40.0), False),),
    "high-pass": (((10.0,), False),),
    "high-pass-and-notches": (((49.0, 51.0), True), ((59.0, 61.0), True), ((10.0,), False)),
    "none": (),
}
"""Filters, one after the other: the hertz at which each turns from stopping to passing or back, and
whether it passes what is below the first. Nothing lies at half the rate or above to filter."""

BLOCK = 8
"""Spans of an epoch's length filtered at once: few, to stay in memory that is in use already."""

RESAMPLED = 2**18
"""Values that are resampled at once, likewise."""

LARGEST_TERM = 10_000
"""Denominator up to which a ratio of rates is left to `scipy.signal.resample_poly`."""

DRIFT = 0.01
"""Samples by which a fraction may be off at the end of a recording."""

PERIODS, KAISER = 10, 5.0
"""Of the filter of `scipy.signal.resample_poly`: periods to each side, and the window's shape."""

FINENESS = 512
"""Points of that filter in a period. A straight line between two neighbouring values of a tone at
50 Hz so far apart is off by (2 pi 0.5 / 512)^2 / 8, 5e-6 of its height."""

IMPOSSIBLE = 1e12
"""Microvolts that no electrode gives. Far less than what overflows in a spectrum."""


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


def cut(recording: Recording, filtering: Filtering | None = None) -> Epochs:
    """Resample and filter the signals and cut the scored epochs that lie wholly within them.

    Without ``filtering`` they are filtered as most of the released code does.

    Raises:
        InputError: no epoch is scored, or a signal is not finite.
    """
    filtering = filtering or Filtering()
    hypnogram = recording.hypnogram
    starts = np.rint(hypnogram.onsets * RATE).astype(int)
    samples = min(ceil(len(s.values) * _ratio(s)) for s in recording.signals.values())
    inside = (starts >= 0) & (starts + SAMPLES <= samples)
    places = np.flatnonzero(inside & (hypnogram.stages != UNSCORED))
    if not len(places):
        raise InputError(f"{recording.files[-1]}: no epoch is scored; score it or take it away")
    signals = {
        channel: sliding_window_view(
            filtered_channel(recording.files[0], channel, signal, filtering), SAMPLES
        )[starts[places]]
        for channel, signal in recording.signals.items()
    }
    return Epochs(places, hypnogram.onsets[places], hypnogram.stages[places], signals)


def filtered_channel(path: Path, channel: str, signal: Signal, filtering: Filtering) -> np.ndarray:
    """`filtered`, of a channel of a file.

    Raises:
        DamagedError: a value is not finite, or no voltage of an electrode.
    """
    values = filtered(signal, filtering.raw_filter[channel], filtering.filter_rate == "recorded")
    broken = np.flatnonzero(~(np.abs(values) < IMPOSSIBLE))
    if len(broken):
        raise DamagedError(
            f"{path}: {channel} ({signal.label!r}) is {values[broken[0]]:g} uV near second "
            f"{broken[0] // RATE}, which no electrode gives"
        )
    return values


def filtered(
    signal: Signal, raw_filter: RawFilter = "band-pass", as_recorded: bool = False
) -> np.ndarray:
    """(n,) float32 microvolts at 100 Hz, filtered without a shift in phase.

    With ``as_recorded`` they are filtered at the rate of the recording, and resampled afterwards.
    """
    values = np.asarray(signal.values)
    if as_recorded:
        values = _filtered(values, raw_filter, signal.rate)
    ratio = _ratio(signal)
    if ratio.denominator > LARGEST_TERM:
        values = _interpolated(values, ratio)
    elif ratio != 1:
        values = _resampled(values, ratio)
    if not as_recorded:
        values = _filtered(values, raw_filter, RATE)
    return values.astype(np.float32, copy=False)


def _ratio(signal: Signal) -> Fraction:
    """Samples at 100 Hz for each of the signal's, in small terms where these shift nothing."""
    exact = RATE / Fraction(float(signal.rate))
    near = exact.limit_denominator(LARGEST_TERM)
    drift = abs(near - exact) * len(signal.values)
    return near if near and drift < DRIFT else exact


def _resampled(values: np.ndarray, ratio: Fraction) -> np.ndarray:
    """(n,) values resampled by a fraction of small terms, block by block."""
    up, down = ratio.numerator, ratio.denominator
    out = np.empty(ceil(len(values) * ratio))
    margin = ceil(PERIODS / min(up, down))  # in spans of `down` samples, of which come `up`
    spans = max(RESAMPLED // max(up, down), 1)
    for first in range(0, len(out), spans * up):
        start = first // up * down
        block = _padded(values, start - margin * down, start + (spans + margin) * down)
        block = dsp.resample_poly(block, up, down)[margin * up :]
        out[first : first + spans * up] = block[: min(spans * up, len(out) - first)]
    return out


def _interpolated(values: np.ndarray, ratio: Fraction) -> np.ndarray:
    """(n,) values resampled by any ratio, with the filter between its points interpolated.

    A value lies at a position among the given samples, which it takes from ``reach`` samples to
    each side: a weighted sum, with the weights of the two points of the filter about it.
    """
    step = float(1 / ratio)
    period = max(step, 1.0)  # of the slower rate, in given samples
    points = ceil(FINENESS / period)  # of the filter, from one given sample to the next
    half = round(PERIODS * period * points)
    taps = points * dsp.firwin(2 * half + 1, 1 / (period * points), window=("kaiser", KAISER))
    reach = ceil(half / points)
    taps = np.pad(taps, ((reach + 1) * points - half, reach * points - half))
    width = 2 * reach + 1
    # Row p: for a position p points after the sample in the middle.
    weights = taps[points - np.arange(points + 1)[:, None] + points * np.arange(width)]

    out = np.empty(ceil(len(values) * ratio))
    size = max(RESAMPLED // width, 1)
    for first in range(0, len(out), size):
        positions = np.arange(first, min(first + size, len(out))) * step
        middles = positions.astype(int)
        block = _padded(values, middles[0] - reach, middles[-1] + reach + 1)
        sections = sliding_window_view(block, width)[middles - middles[0]]
        places = (positions - middles) * points
        rows = places.astype(int)
        before, after = (np.vecdot(sections, weights[r]) for r in (rows, rows + 1))
        out[first : first + size] = before + (places - rows) * (after - before)
    return out


def _padded(values: np.ndarray, start: int, stop: int) -> np.ndarray:
    """(stop - start,) float64, with zeros before and after the values."""
    out = np.zeros(stop - start)
    inside = values[max(start, 0) : max(stop, 0)]
    begin = max(-start, 0)
    out[begin : begin + len(inside)] = inside
    return out


def taps_of(raw_filter: RawFilter, rate: float) -> list[np.ndarray]:
    """The (101,) taps of each of a filter's steps at a rate in hertz."""
    there = [
        ([edge for edge in edges if edge < rate / 2], low) for edges, low in FILTERS[raw_filter]
    ]
    return [dsp.firwin(TAPS, edges, pass_zero=low, fs=rate) for edges, low in there if edges]


def _filtered(values: np.ndarray, raw_filter: RawFilter, rate: float) -> np.ndarray:
    for taps in taps_of(raw_filter, rate):
        values = _both_ways(values, taps)
    return values


def _both_ways(values: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """(n,) float32 filtered forwards and backwards, in double precision by overlap-save."""
    # Forwards and backwards with the same taps is one convolution with their autocorrelation;
    # the reflected margins are those of scipy.signal.filtfilt, as far as the taps reach.
    autocorrelation = np.convolve(taps, taps[::-1])
    margin = TAPS - 1
    padded = np.pad(values, margin, "reflect", reflect_type="odd")
    # The last span reaches back, to be as long as the others.
    span = min(SAMPLES, len(values))
    size = span + 2 * margin
    starts = np.minimum(np.arange(0, len(values), span), len(values) - span)
    sections = sliding_window_view(padded, size)
    response = fft.rfft(autocorrelation, size)
    smooth = np.empty(len(values), np.float32)
    spans = sliding_window_view(smooth, span, writeable=True)
    for first in range(0, len(starts), BLOCK):
        chosen = starts[first : first + BLOCK]
        spectra = fft.rfft(sections[chosen].astype(np.float64)) * response
        spans[chosen] = fft.irfft(spectra, size)[:, 2 * margin :]
    return smooth
