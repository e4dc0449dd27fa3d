"""Preprocessing of a recording: resampled to 100 Hz, filtered and cut into 30-s epochs.

Signals are resampled with an anti-aliasing filter and, as in the released code, filtered by
`FILTERS` (101-tap FIR, window method, Hamming, forwards and backwards): EEG and EOG are bandpassed,
the EMG is high-passed. The released code for Sleep-EDF, recorded at 100 Hz, and that for SHHS
(published with SleepTransformer) filter at 100 Hz; that for MASS filters at the rate of the
recording, and resamples afterwards. 101 taps reach less far in time there: 0.3 Hz is 2.3 dB down at
256 Hz, and 6.1 at 100 Hz. The paper mentions no filter.

The anti-aliasing filter is the default of `scipy.signal.resample_poly`, a sinc with a Kaiser window
over 20 periods of the slower of the two rates. If the ratio of the rates is a fraction of small
terms, that function applies it; for any other rate it is interpolated, so that events do not drift
however long the recording is.
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
from xsleep.core.arrays import Doubles, Floats, Integers, Singles
from xsleep.core.errors import DamagedError, InputError
from xsleep.core.recording import RATE, SAMPLES, Recording, Signal, kind
from xsleep.core.stages import UNSCORED

TAPS = 101

Edges = tuple[float, ...]
FILTERS: dict[RawFilter, tuple[tuple[Edges, bool], ...]] = {
    "band-pass": (((0.3, 40.0), False),),
    "high-pass": (((10.0,), False),),
    "high-pass-and-notches": (((49.0, 51.0), True), ((59.0, 61.0), True), ((10.0,), False)),
    "none": (),
}
"""Filters applied in turn: cutoff frequencies in hertz, and whether the band below the first one is
passed. Cutoffs at or above the Nyquist frequency are left out."""

BLOCK = 8
"""Spans of an epoch's length filtered at a time: few, so that the buffers stay in the cache."""

RESAMPLED = 2**18
"""Values resampled at a time, likewise."""

LARGEST_TERM = 10_000
"""Largest denominator of a ratio of rates that `scipy.signal.resample_poly` is used for."""

DRIFT = 0.01
"""Largest drift in samples at the end of a recording by which a ratio may be rounded."""

PERIODS, KAISER = 10, 5.0
"""Filter of `scipy.signal.resample_poly`: periods to each side, and the beta of its window."""

FINENESS = 512
"""Points of that filter in a period. Linear interpolation between two of them is off by at most
(2 pi 0.5 / 512)^2 / 8, 5e-6 of the amplitude of a tone at 50 Hz."""

IMPOSSIBLE = 1e12
"""Impossible amplitude in microvolts, far below what overflows in a spectrum."""


@dataclass(frozen=True)
class Epochs:
    """The scored epochs of one recording.

    Attributes:
        places: (n,) place of each epoch in the hypnogram; a jump marks dropped epochs.
        onsets: (n,) start in seconds from the start of the recording.
        stages: (n,) labels.
        signals: channel to (n, 3000) samples in microvolts.
    """

    places: Integers
    onsets: Floats
    stages: Integers
    signals: Mapping[str, Singles] = field(repr=False)


def cut(recording: Recording, filtering: Filtering | None = None) -> Epochs:
    """Resample and filter the signals, and cut out the scored epochs that they cover completely.

    The filters are by default those of most of the released code. Without signals, all scored
    epochs are taken.

    Raises:
        InputError: no epoch is scored, or a signal has impossible values.
    """
    filtering = filtering or Filtering()
    hypnogram = recording.hypnogram
    starts = np.rint(hypnogram.onsets * RATE).astype(int)
    ends = [ceil(len(s.values) * _ratio(s)) for s in recording.signals.values()]
    inside = (starts >= 0) & (starts + SAMPLES <= min(ends, default=np.inf))
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


def filtered_channel(path: Path, channel: str, signal: Signal, filtering: Filtering) -> Singles:
    """Return (n,) microvolts at 100 Hz of a channel, filtered and checked.

    Raises:
        DamagedError: a value is not finite, or impossible for an electrode; ``path`` is named.
    """
    values = filtered(
        signal, filtering.raw_filter[kind(channel)], filtering.filter_rate == "recorded"
    )
    broken = np.flatnonzero(~(np.abs(values) < IMPOSSIBLE))
    if len(broken):
        raise DamagedError(
            f"{path}: {channel} ({signal.label!r}) is {values[broken[0]]:g} uV near second "
            f"{broken[0] // RATE}, which no electrode gives"
        )
    return values


def filtered(
    signal: Signal, raw_filter: RawFilter = "band-pass", as_recorded: bool = False
) -> Singles:
    """Return (n,) microvolts at 100 Hz, filtered with zero phase.

    The filter is one of `FILTERS`; if ``as_recorded``, it is applied at the rate of the recording,
    which is resampled afterwards.
    """
    values: Floats = np.asarray(signal.values)
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
    """Return 100 Hz over the signal's rate, in small terms if no sample shifts noticeably."""
    exact = RATE / Fraction(float(signal.rate))
    near = exact.limit_denominator(LARGEST_TERM)
    drift = abs(near - exact) * len(signal.values)
    return near if near and drift < DRIFT else exact


def _resampled(values: Floats, ratio: Fraction) -> Doubles:
    """Return (n,) values resampled by a fraction of small terms, block by block."""
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


def _interpolated(values: Floats, ratio: Fraction) -> Doubles:
    """Return (n,) values resampled by any ratio, with a linearly interpolated filter.

    A value at a position between the given samples is a weighted sum of ``reach`` samples to each
    side, with weights interpolated between the two nearest points of the filter.
    """
    step = float(1 / ratio)
    period = max(step, 1.0)  # of the slower rate, in given samples
    points = ceil(FINENESS / period)  # of the filter, from one given sample to the next
    half = round(PERIODS * period * points)
    taps = points * dsp.firwin(2 * half + 1, 1 / (period * points), window=("kaiser", KAISER))
    reach = ceil(half / points)
    taps = np.pad(taps, ((reach + 1) * points - half, reach * points - half))
    width = 2 * reach + 1
    # Row p: weights for a position p points after the sample in the middle.
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


def _padded(values: Floats, start: int, stop: int) -> Doubles:
    """Return (stop - start,) values, padded with zeros on either side."""
    out = np.zeros(stop - start)
    inside = values[max(start, 0) : max(stop, 0)]
    begin = max(-start, 0)
    out[begin : begin + len(inside)] = inside
    return out


def taps_of(raw_filter: RawFilter, rate: float) -> list[Doubles]:
    """Return the (101,) taps of each step of a filter at a sampling rate in hertz."""
    steps = [
        ([edge for edge in edges if edge < rate / 2], low) for edges, low in FILTERS[raw_filter]
    ]
    return [dsp.firwin(TAPS, edges, pass_zero=low, fs=rate) for edges, low in steps if edges]


def _filtered(values: Floats, raw_filter: RawFilter, rate: float) -> Floats:
    for taps in taps_of(raw_filter, rate):
        values = _both_ways(values, taps)
    return values


def _both_ways(values: Floats, taps: Doubles) -> Singles:
    """Return (n,) values filtered forwards and backwards, in double precision by overlap-save."""
    # Forwards and backwards with the same taps is one convolution with their autocorrelation;
    # the reflected margins are those of scipy.signal.filtfilt, as far as the taps reach.
    autocorrelation = np.convolve(taps, taps[::-1])
    margin = TAPS - 1
    # The last span overlaps the one before, to be as long as the others.
    span = min(SAMPLES, len(values))
    size = span + 2 * margin
    starts = np.minimum(np.arange(0, len(values), span), len(values) - span)
    response = fft.rfft(autocorrelation, size)
    smooth = np.empty(len(values), np.float32)
    spans = sliding_window_view(smooth, span, writeable=True)
    for first in range(0, len(starts), BLOCK):
        chosen = starts[first : first + BLOCK]
        begin, end = chosen[0] - margin, chosen[-1] + span + margin
        padding = max(-begin, 0), max(end - len(values), 0)
        inside = np.pad(values[max(begin, 0) : end], padding, "reflect", reflect_type="odd")
        sections = sliding_window_view(inside, size)[chosen - chosen[0]]
        spectra = fft.rfft(sections.astype(np.float64)) * response
        spans[chosen] = fft.irfft(spectra, size)[:, 2 * margin :]
    return smooth
