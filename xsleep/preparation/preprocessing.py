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
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft
from scipy import signal as dsp

from xsleep.config.names import RawFilter
from xsleep.config.network import Filtering
from xsleep.core.arrays import Blocks, Doubles, Floats, Integers, Rows, Singles
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
    signals: Mapping[str, Cut] = field(repr=False)


@dataclass(frozen=True)
class Cut:
    """(n, 3000) samples of the epochs of a channel, made where they are asked for.

    Attributes:
        values: samples of the whole recording.
        starts: (n,) first sample of each epoch.
    """

    values: Rows = field(repr=False)
    starts: Integers

    @property
    def shape(self) -> tuple[int, int]:
        """Number of epochs, and samples of each."""
        return len(self.starts), SAMPLES

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, part: slice) -> Singles:
        starts = self.starts[part]
        out = np.empty((len(starts), SAMPLES), np.float32)
        for row, start in zip(out, starts, strict=True):
            row[:] = self.values[start : start + SAMPLES]
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self[:], dtype)


def cut(recording: Recording, filtering: Filtering | None = None) -> Epochs:
    """Resample and filter the signals, and cut out the scored epochs that they cover completely.

    The filters are by default those of most of the released code. Without signals, all scored
    epochs are taken. Epochs are computed where they are asked for, which raises a `DamagedError` of
    impossible values.

    Raises:
        InputError: no epoch is scored.
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
        channel: Cut(
            filtered_channel(recording.files[0], channel, signal, filtering), starts[places]
        )
        for channel, signal in recording.signals.items()
    }
    return Epochs(places, hypnogram.onsets[places], hypnogram.stages[places], signals)


def filtered_channel(path: Path, channel: str, signal: Signal, filtering: Filtering) -> Blocks:
    """Return (n,) microvolts at 100 Hz of a channel, filtered, and checked when they are made.

    Those that are not finite, or impossible for an electrode, raise a `DamagedError` that names
    ``path``.
    """
    as_recorded = filtering.filter_rate == "recorded"
    values = _stages(signal, filtering.raw_filter[kind(channel)], as_recorded)

    def checked(start: int, stop: int) -> Singles:
        part = values[start:stop].astype(np.float32, copy=False)
        broken = np.flatnonzero(~(np.abs(part) < IMPOSSIBLE))
        if len(broken):
            raise DamagedError(
                f"{path}: {channel} ({signal.label!r}) is {part[broken[0]]:g} uV near second "
                f"{(start + broken[0]) // RATE}, which no electrode gives"
            )
        return part

    return Blocks(len(values), BLOCK * SAMPLES, checked)


def filtered(
    signal: Signal, raw_filter: RawFilter = "band-pass", as_recorded: bool = False
) -> Singles:
    """Return (n,) microvolts at 100 Hz, filtered with zero phase.

    The filter is one of `FILTERS`; if ``as_recorded``, it is applied at the rate of the recording,
    which is resampled afterwards.
    """
    return _stages(signal, raw_filter, as_recorded)[:].astype(np.float32, copy=False)


def _stages(signal: Signal, raw_filter: RawFilter, as_recorded: bool) -> Rows:
    """Return (n,) microvolts at 100 Hz, each step of which takes blocks of the step before."""
    values = signal.values
    if as_recorded:
        values = _filtered(values, raw_filter, signal.rate)
    ratio = _ratio(signal)
    if ratio.denominator > LARGEST_TERM:
        values = _interpolated(values, ratio)
    elif ratio != 1:
        values = _resampled(values, ratio)
    if not as_recorded:
        values = _filtered(values, raw_filter, RATE)
    return values


def _ratio(signal: Signal) -> Fraction:
    """Return 100 Hz over the signal's rate, in small terms if no sample shifts noticeably."""
    exact = RATE / Fraction(float(signal.rate))
    near = exact.limit_denominator(LARGEST_TERM)
    drift = abs(near - exact) * len(signal.values)
    return near if near and drift < DRIFT else exact


def _resampled(values: Rows, ratio: Fraction) -> Blocks:
    """Return (n,) values resampled by a fraction of small terms, block by block."""
    up, down = ratio.numerator, ratio.denominator
    margin = ceil(PERIODS / min(up, down))  # in spans of `down` samples, of which come `up`
    spans = max(RESAMPLED // max(up, down), 1)

    def make(first: int, stop: int) -> Doubles:
        start = first // up * down
        block = _padded(values, start - margin * down, start + (spans + margin) * down)
        resampled: Doubles = dsp.resample_poly(block, up, down)[margin * up :]
        return resampled[: stop - first]

    return Blocks(ceil(len(values) * ratio), spans * up, make)


def _interpolated(values: Rows, ratio: Fraction) -> Blocks:
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

    def make(first: int, stop: int) -> Doubles:
        positions = np.arange(first, stop) * step
        middles = positions.astype(int)
        block = _padded(values, middles[0] - reach, middles[-1] + reach + 1)
        sections = sliding_window_view(block, width)[middles - middles[0]]
        places = (positions - middles) * points
        rows = places.astype(int)
        before, after = (np.vecdot(sections, weights[r]) for r in (rows, rows + 1))
        between: Doubles = before + (places - rows) * (after - before)
        return between

    return Blocks(ceil(len(values) * ratio), max(RESAMPLED // width, 1), make)


def _padded(values: Rows, start: int, stop: int) -> Doubles:
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


def _filtered(values: Rows, raw_filter: RawFilter, rate: float) -> Rows:
    for taps in taps_of(raw_filter, rate):
        values = _both_ways(values, taps)
    return values


def _both_ways(values: Rows, taps: Doubles) -> Blocks:
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

    def smooth(chosen: Integers) -> Doubles:
        """Return the spans (n, span) with these starts."""
        begin, end = chosen[0] - margin, chosen[-1] + span + margin
        padding = max(-begin, 0), max(end - len(values), 0)
        inside = np.pad(values[max(begin, 0) : end], padding, "reflect", reflect_type="odd")
        sections = sliding_window_view(inside, size)[chosen - chosen[0]]
        spectra = fft.rfft(sections.astype(np.float64)) * response
        spans: Doubles = fft.irfft(spectra, size)[:, 2 * margin :]
        return spans

    def make(start: int, stop: int) -> Singles:
        out = np.empty(stop - start, np.float32)
        chosen = starts[start // span :][:BLOCK]
        # The last span may be alone in the next block.
        overlapping = starts[-1:][(starts[-1:] < stop) & (starts[-1] > chosen[-1])]
        for group in filter(len, (chosen, overlapping)):
            for first, values in zip(group, smooth(group), strict=True):
                begin, end = max(first, start), min(first + span, stop)
                out[begin - start : end - start] = values[begin - first : end - first]
        return out

    return Blocks(len(values), BLOCK * span, make)
