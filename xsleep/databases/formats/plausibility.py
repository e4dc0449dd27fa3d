"""Checks of what was read for each channel: is it a signal, and can it be what it is taken for?

What cannot be is refused, what is doubtful is warned of. The bounds are wide: they are to find
wrong units, dead electrodes and channels that were mixed up, not to judge recordings.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import combinations
from pathlib import Path

import numpy as np

from xsleep.core.errors import DamagedError, InputError, warn
from xsleep.core.recording import Signal
from xsleep.databases.formats.channels import UNITS, as_clock, say_unit

PIECE_SECONDS = 30
"""Amplitudes are measured in pieces of an epoch's length, so that slow drifts do not count."""

LOWEST, HIGHEST = 1.0, 20_000.0
"""Microvolts from peak to peak in 30 s, as the median over a recording, that EEG, EOG and EMG can
have. EEG has some 20 to 500; an open or overdriven input that is measured properly has less than
20 mV."""
USUAL = 10.0, 2000.0
"""The same of nearly all recordings, to guess the unit by."""

FLAT_SHARE = 0.05
"""Of the pieces that may be flat without a warning."""
CLIPPED_SHARE = 0.05
"""Of the samples that may lie at either end of what the signal takes."""

SAMPLED, SAME = 100_000, 1e-6
"""Samples that two channels are compared by, and how far from 1 their correlation may be for them
to be one signal: rounding to 16 bits leaves 1e-9, noise of a thousandth of the signal 5e-7."""

WORDS = {"EEG": "EEG", "EOG": "EOG", "EMG": "EMG", "CHIN": "EMG", "ECG": "ECG", "EKG": "ECG"}
"""What a label says of its kind."""
ELECTRODES = {
    **dict.fromkeys(("E1", "E2", "LOC", "ROC"), "EOG"),
    **dict.fromkeys(("FP1", "FP2", "FPZ", "F3", "F4", "FZ", "C3", "C4", "CZ"), "EEG"),
    **dict.fromkeys(("P3", "P4", "PZ", "O1", "O2", "OZ", "T3", "T4", "T5", "T6"), "EEG"),
}
"""What the name of an electrode says of it, which is less sure."""


def check(path: Path, signals: Mapping[str, Signal], stated: Collection[str]) -> None:
    """Refuse signals that cannot be what they were taken for, and warn of doubtful ones.

    Args:
        path: of the signals, for messages.
        signals: channel (``EEG``, ``EOG``, ``EMG``) to signal.
        stated: channels whose unit the user gave in place of the file's; their amplitude is
            warned of instead of refused.

    Raises:
        InputError: a signal is constant, not finite or of an impossible amplitude; one was taken
            for two channels; or a label says that it is another kind of signal.
    """
    _check_kinds(path, signals)
    for channel, signal in signals.items():
        _check_values(path, channel, signal, channel in stated)
    for one, other in combinations(signals, 2):
        if _same(signals[one].values, signals[other].values):
            raise InputError(
                f"{path}: {one} and {other} are the same signal ({signals[one].label!r}, "
                f"{signals[other].label!r}); name another channel for one of them"
            )


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two signals are one, but for a factor: a gain, or a sign."""
    if len(one) != len(other):
        return False
    step = max(len(one) // SAMPLED, 1)
    return 1 - abs(np.corrcoef(one[::step], other[::step])[0, 1]) < SAME


def _check_values(path: Path, channel: str, signal: Signal, stated: bool) -> None:
    values, what = signal.values, f"{channel} channel {signal.label!r}"
    if not np.isfinite(values).all():
        raise DamagedError(
            f"{path}: {what} has {np.count_nonzero(~np.isfinite(values))} values that are no number"
        )
    if values.min() == values.max():
        raise InputError(
            f"{path}: {what} is constant ({values[0]:g} uV), as of an electrode that is not "
            "connected; choose another channel"
        )
    heights = _heights(signal)
    moving = heights[heights > 0]
    height = float(np.median(moving)) if len(moving) else float(np.ptp(values))
    if not LOWEST <= height <= HIGHEST:
        fault = (
            f"{path}: {what} has {height:.2g} uV from peak to peak in 30 s, where {LOWEST:g} to "
            f"{HIGHEST:g} are possible"
        )
        if not stated:
            raise InputError(f"{fault}; {_advice(channel, signal, height)}")
        warn(path, f"{fault.removeprefix(f'{path}: ')}; it is read in {signal.unit}, as stated")
    tell_stretches(path, what, signal)


def tell_stretches(path: Path, what: str, signal: Signal) -> None:
    """Warn of a signal that is flat or clipped for some of the time."""
    values, heights = signal.values, _heights(signal)
    flat = np.count_nonzero(heights == 0)
    if flat > FLAT_SHARE * len(heights):
        warn(
            path,
            f"{what} is flat for {as_clock(flat * PIECE_SECONDS)} of {as_clock(signal.seconds)}",
        )
    for end in (values.min(), values.max()):
        share = np.count_nonzero(values == end) / len(values)
        if share > CLIPPED_SHARE and not flat:
            warn(path, f"{what} is clipped: {share:.0%} of its samples are {end:g} uV")


def _heights(signal: Signal) -> np.ndarray:
    """Microvolts from peak to peak of each piece; a rest shorter than a piece is left out."""
    size = min(round(PIECE_SECONDS * signal.rate), len(signal.values))
    return np.ptp(signal.values[: len(signal.values) // size * size].reshape(-1, size), axis=1)


def _advice(channel: str, signal: Signal, height: float) -> str:
    """What to do about an amplitude: the unit that would make it a usual one."""
    number = height / UNITS[signal.unit]
    for unit, factor in UNITS.items():
        if USUAL[0] <= number * factor <= USUAL[1]:
            return (
                f"its numbers look like {unit}, not {signal.unit}: if they are, "
                f"{say_unit(channel, unit)}"
            )
    return "choose another channel, or correct its scale and unit in the file"


def _check_kinds(path: Path, signals: Mapping[str, Signal]) -> None:
    """Refuse a label that names another kind of signal than it was taken for."""
    by_word, by_place = (
        {channel: _kinds(signal.label, known, words) for channel, signal in signals.items()}
        for known, words in ((WORDS, r"[A-Z]+"), (ELECTRODES, r"[A-Z]+\d*"))
    )
    for channel, signal in signals.items():
        kinds = by_word[channel] or by_place[channel]
        if not kinds or channel in by_word[channel] | by_place[channel]:
            continue
        fault = f"{signal.label!r} is taken for {channel}, and its label says {min(kinds)}"
        swapped = [c for c in signals if c in kinds and channel in by_word[c] | by_place[c]]
        if by_word[channel] or swapped:
            raise InputError(
                f"{path}: {fault}; labels are given in the order {', '.join(signals)}, correct them"
            )
        warn(path, fault)


def _kinds(label: str, known: Mapping[str, str], words: str) -> set[str]:
    """The kinds of signal that the words of a label say it is."""
    return {known[word] for word in re.findall(words, label.upper()) if word in known}
