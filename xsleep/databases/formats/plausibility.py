"""Plausibility checks of signals: amplitude, kind, and flat, clipped or duplicate channels.

Impossible signals are errors, doubtful ones warnings. The bounds are wide: they find wrong units,
dead electrodes and mixed-up channels, and do not judge the quality of recordings.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from xsleep.core.arrays import Floats
from xsleep.core.errors import DamagedError, InputError, warn
from xsleep.core.recording import Signal, kind
from xsleep.databases.formats.channels import UNITS, as_clock, say_unit

PIECE_SECONDS = 30
"""Seconds of the pieces that amplitudes are measured in, so that slow drifts do not count."""

LOWEST, HIGHEST = 1.0, 20_000.0
"""Possible peak-to-peak amplitudes in 30 s of EEG, EOG and EMG in microvolts, as the median over a
recording. EEG has some 20 to 500; an open or overdriven input stays below 20 mV."""
USUAL = 10.0, 2000.0
"""Amplitudes of nearly all recordings, likewise, to guess the unit."""

DOUBTFUL_SHARE = 0.05
"""Share of flat pieces, or of samples at the minimum or maximum, that is warned of if larger."""

SAMPLED, SAME = 100_000, 1e-6
"""Samples by which two channels are compared, and the distance of their correlation from 1 below
which they are the same signal: rounding to 16 bits gives 1e-9, noise of a thousandth 5e-7."""

MEASURED = 2**18
"""Samples that are read at a time."""

WORDS = {"EEG": "EEG", "EOG": "EOG", "EMG": "EMG", "CHIN": "EMG", "ECG": "ECG", "EKG": "ECG"}
"""Word of a label to the kind of signal."""
ELECTRODES = {
    **dict.fromkeys(("E1", "E2", "LOC", "ROC"), "EOG"),
    **dict.fromkeys(("FP1", "FP2", "FPZ", "F3", "F4", "FZ", "C3", "C4", "CZ"), "EEG"),
    **dict.fromkeys(("P3", "P4", "PZ", "O1", "O2", "OZ", "T3", "T4", "T5", "T6"), "EEG"),
}
"""Name of an electrode to the kind of signal, which is less certain."""


@dataclass(frozen=True)
class Amplitudes:
    """Amplitudes of a signal, found in one pass over it.

    Attributes:
        broken: number of samples that are no number.
        low, high: minimum and maximum.
        at_low, at_high: number of samples there.
        heights: (n,) peak-to-peak microvolts of the pieces, without an incomplete last one.
        thin: the signal at every so-many-th sample, to be compared with others.
    """

    broken: int
    low: float
    high: float
    at_low: int
    at_high: int
    heights: Floats = field(repr=False)
    thin: Signal


def measure(signal: Signal) -> Amplitudes:
    """Return the amplitudes of a signal."""
    length = len(signal.values)
    size = min(round(PIECE_SECONDS * signal.rate), length)
    step = max(length // SAMPLED, 1)
    block = size * max(MEASURED // size, 1)
    broken, heights, thin = 0, [], []
    lows: list[tuple[float, int]] = []
    highs: list[tuple[float, int]] = []
    for start in range(0, length, block):
        values = signal.values[start : start + block]
        broken += int(np.count_nonzero(~np.isfinite(values)))
        pieces = values[: len(values) // size * size].reshape(-1, size)
        with np.errstate(invalid="ignore", over="ignore"):
            heights.append(np.ptp(pieces, axis=1))
        for ends, end in ((lows, values.min()), (highs, values.max())):
            ends.append((end, int(np.count_nonzero(values == end))))
        thin.append(values[-start % step :: step].copy())
    low, high = min(end for end, _ in lows), max(end for end, _ in highs)
    return Amplitudes(
        broken,
        low,
        high,
        sum(count for end, count in lows if end == low),
        sum(count for end, count in highs if end == high),
        np.concatenate(heights),
        replace(signal, values=np.concatenate(thin)),
    )


def check(path: Path, signals: Mapping[str, Signal], stated: Collection[str]) -> None:
    """Raise an error for impossible signals of channels, and warn of doubtful ones.

    Args:
        stated: channels whose unit the user gave in place of the file's; their amplitude is
            warned of instead of refused.

    Raises:
        InputError: a signal is constant, not finite or of impossible amplitude; two channels are
            the same signal; or a label names another kind of signal.
    """
    check_kinds(path, {channel: signal.label for channel, signal in signals.items()})
    thin = {}
    for channel, signal in signals.items():
        amplitudes = measure(signal)
        check_amplitude(path, channel, signal, amplitudes, stated=channel in stated)
        warn_of_stretches(path, f"{channel} channel {signal.label!r}", signal, amplitudes)
        thin[channel] = amplitudes.thin
    check_different(path, thin)


def check_different(path: Path, signals: Mapping[str, Signal]) -> None:
    """Raise an `InputError` if two channels are the same signal, but for a gain or a sign.

    The signals are those of `Amplitudes.thin`.
    """
    for one, other in combinations(signals, 2):
        if _same(signals[one].values[:], signals[other].values[:]):
            raise InputError(
                f"{path}: {one} and {other} are the same signal ({signals[one].label!r}, "
                f"{signals[other].label!r}); name another channel for one of them"
            )


def _same(one: Floats, other: Floats) -> bool:
    return len(one) == len(other) and bool(1 - abs(np.corrcoef(one, other)[0, 1]) < SAME)


def check_amplitude(
    path: Path, channel: str, signal: Signal, amplitudes: Amplitudes, *, stated: bool
) -> None:
    """Raise an `InputError` for a constant signal, or one of impossible values."""
    what = f"{channel} channel {signal.label!r}"
    if amplitudes.broken:
        raise DamagedError(f"{path}: {what} has {amplitudes.broken} values that are no number")
    if amplitudes.low == amplitudes.high:
        raise InputError(
            f"{path}: {what} is constant ({amplitudes.low:g} uV), as of an electrode that is not "
            "connected; choose another channel"
        )
    moving = amplitudes.heights[amplitudes.heights > 0]
    height = float(np.median(moving) if len(moving) else amplitudes.high - amplitudes.low)
    if not LOWEST <= height <= HIGHEST:
        fault = (
            f"{path}: {what} has {height:.2g} uV from peak to peak in 30 s, where {LOWEST:g} to "
            f"{HIGHEST:g} are possible"
        )
        if not stated:
            raise InputError(f"{fault}; {_advice(channel, signal, height)}")
        warn(path, f"{fault.removeprefix(f'{path}: ')}; it is read in {signal.unit}, as stated")


def warn_of_stretches(path: Path, what: str, signal: Signal, amplitudes: Amplitudes) -> None:
    """Warn of a signal that is flat or clipped for part of the time."""
    flat = int(np.count_nonzero(amplitudes.heights == 0))
    if flat > DOUBTFUL_SHARE * len(amplitudes.heights):
        long = as_clock(flat * PIECE_SECONDS)
        warn(path, f"{what} is flat for {long} of {as_clock(signal.seconds)}")
    low, high = (amplitudes.low, amplitudes.at_low), (amplitudes.high, amplitudes.at_high)
    for end, count in (low, high):
        share = count / len(signal.values)
        if share > DOUBTFUL_SHARE and not flat:
            warn(path, f"{what} is clipped: {share:.0%} of its samples are {end:g} uV")


def _advice(channel: str, signal: Signal, height: float) -> str:
    """Return the advice about an impossible amplitude: the unit that would make it usual."""
    number = height / UNITS[signal.unit]
    for unit, factor in UNITS.items():
        if USUAL[0] <= number * factor <= USUAL[1]:
            look = f"its numbers look like {unit}, not {signal.unit}"
            return f"{look}: if they are, {say_unit(channel, unit)}"
    return "choose another channel, or correct its scale and unit in the file"


def check_kinds(path: Path, labels: Mapping[str, str]) -> None:
    """Raise an error, or warn, if a label names another kind of signal than its channel."""
    by_word, by_place = (
        {channel: _kinds(label, known, words) for channel, label in labels.items()}
        for known, words in ((WORDS, r"[A-Z]+"), (ELECTRODES, r"[A-Z]+\d*"))
    )
    for channel, label in labels.items():
        kinds = by_word[channel] or by_place[channel]
        if not kinds or kind(channel) in by_word[channel] | by_place[channel]:
            continue
        fault = f"{label!r} is taken for {channel}, and its label says {min(kinds)}"
        swapped = [
            c for c in labels if kind(c) in kinds and kind(channel) in by_word[c] | by_place[c]
        ]
        if by_word[channel] or swapped:
            raise InputError(f"{path}: {fault}; name another signal for {channel}")
        warn(path, fault)


def _kinds(label: str, known: Mapping[str, str], words: str) -> set[str]:
    """Return the kinds of signal that the words of a label name."""
    return {known[word] for word in re.findall(words, label.upper()) if word in known}
