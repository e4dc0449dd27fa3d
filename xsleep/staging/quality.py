"""Quality of signals before they are scored: bad epochs, and what is doubtful about a channel.

The bounds are wide. They find dead, clipped and unplugged electrodes, wrong units and mixed-up
channels; they do not judge how well a signal can be scored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch

from xsleep.core.arrays import Floats
from xsleep.core.errors import InputError
from xsleep.core.recording import EPOCH_SECONDS, Signal
from xsleep.databases.formats import plausibility
from xsleep.databases.formats.channels import as_clock

FLAT, CLIPPED, DISCONNECTED, LARGE, MAINS = (
    "flat",
    "clipped",
    "disconnected",
    "of impossible amplitude",
    "mains alone",
)

BAD_SECONDS = EPOCH_SECONDS // 2
"""Seconds of an epoch that are flat from which on it is bad."""

CLIPPED_SHARE = 0.1
"""Share of an epoch's samples at the recording's extremes from which on it is bad."""

QUIETEST = 1.0
"""Microvolts from peak to peak in 30 s below which an electrode is disconnected."""

MAINS_SHARE = 0.9
"""Share of the power above 0.5 Hz within 1 Hz of 50 or 60 Hz from which on an epoch is bad."""

MAINS_HERTZ, LOWEST_HERTZ = np.array([50, 60]), 0.5
SWAPPED = 0.3
"""How much higher the logarithm of an EEG's power at 0.25-2 Hz over that at 12-16 Hz may be than
that of an EOG. In the 24 recordings of the simulated cohort, which has the band powers of
Sleep-EDF, it is 0.0 to 1.8 lower (Fpz-Cz) and 0.9 to 2.7 lower (Pz-Oz)."""
NAMED = 3
"""Stretches that a line names."""


@dataclass(frozen=True)
class Quality:
    """What was found in the signals of a recording.

    Attributes:
        bad: (n,) epochs in which a channel is bad.
        doubts: a line each.
    """

    bad: NDArray[np.bool_]
    doubts: tuple[str, ...]


def look(name: str, signals: Mapping[str, Signal], stated: Collection[str] = ()) -> Quality:
    """Return the bad epochs of a recording, and what is doubtful about its channels.

    Args:
        name: of the recording, for messages.
        signals: channel (``EEG``, ``EOG``, ``EMG``) to signal.
        stated: channels whose unit the user stated.

    Raises:
        InputError: a channel is bad throughout, two are the same signal, or an amplitude or label
            is impossible.
    """
    epochs = int(min(signal.seconds for signal in signals.values()) // EPOCH_SECONDS)
    bad, doubts = np.zeros(epochs, bool), []
    plausibility.check(Path(name), signals, stated)
    for channel, signal in signals.items():
        what = f"{channel} channel {signal.label!r}"
        found = _bad_epochs(signal, epochs)
        for why, where in found.items():
            if where.all():
                raise InputError(f"{name}: {what} is {why} throughout; choose another signal")
            if where.any():
                doubts.append(f"{what} is {why} in {_stretches(where)}")
        bad |= np.any(list(found.values()), axis=0)
    if bad.all():
        raise InputError(f"{name}: no epoch has good signals ({'; '.join(doubts)})")
    if {"EEG", "EOG"} <= signals.keys():
        slow = {c: _slowness(signals[c], ~bad) for c in ("EEG", "EOG")}
        if slow["EEG"] - slow["EOG"] > SWAPPED:
            doubts.append(
                f"EEG {signals['EEG'].label!r} and EOG {signals['EOG'].label!r} may be swapped: "
                "the EEG has more slow waves and less power from 12 to 16 Hz than the EOG"
            )
    return Quality(bad, tuple(doubts))


def _bad_epochs(signal: Signal, epochs: int) -> dict[str, NDArray[np.bool_]]:
    """Return reason to the (n,) epochs that are bad for it."""
    size = int(EPOCH_SECONDS * signal.rate)
    starts = np.rint(np.arange(epochs) * EPOCH_SECONDS * signal.rate).astype(int)
    ends = signal.values.min(), signal.values.max()
    rows = [_measures(signal.values[s : s + size], signal.rate, ends) for s in starts]
    flat, clipped, height, mains = np.array(rows).T
    dead = flat >= BAD_SECONDS
    return {
        FLAT: dead,
        CLIPPED: ~dead & (clipped >= CLIPPED_SHARE),
        DISCONNECTED: ~dead & (height < QUIETEST),
        LARGE: height > plausibility.HIGHEST,
        MAINS: (height >= QUIETEST) & (mains >= MAINS_SHARE),
    }


def _measures(
    values: Floats, rate: float, ends: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Return the flat seconds, the clipped share, the height and the mains' share of an epoch."""
    seconds = values[: len(values) // EPOCH_SECONDS * EPOCH_SECONDS].reshape(EPOCH_SECONDS, -1)
    flat = np.count_nonzero(np.ptp(seconds, axis=1) == 0)
    clipped = np.isin(values, ends).mean()
    frequencies, power = welch(values, rate, nperseg=min(round(2 * rate), len(values)))
    near = np.min(np.abs(frequencies[:, None] - MAINS_HERTZ), axis=1) <= 1
    above = frequencies >= LOWEST_HERTZ
    total = power[above].sum()
    return flat, clipped, np.ptp(values), power[near].sum() / total if total else 0.0


def _slowness(signal: Signal, good: NDArray[np.bool_]) -> float:
    """Return the mean logarithm of the power at 0.25-2 Hz over that at 12-16 Hz, of good epochs."""
    size = int(EPOCH_SECONDS * signal.rate)
    epochs = signal.values[: len(good) * size].reshape(len(good), size)[good]
    frequencies, power = welch(epochs, signal.rate, nperseg=round(4 * signal.rate))
    slow, sigma = (
        power[:, (frequencies >= low) & (frequencies < high)].mean(axis=1)
        for low, high in ((0.25, 2), (12, 16))
    )
    return float(np.log(slow / sigma).mean())


def _stretches(where: NDArray[np.bool_]) -> str:
    """Return which epochs are bad as clock times from the start, the first few stretches."""
    edges = np.flatnonzero(np.diff(np.r_[False, where, False])).reshape(-1, 2) * EPOCH_SECONDS
    told = [f"{as_clock(start)}-{as_clock(stop)}" for start, stop in edges[:NAMED]]
    more = f" and {len(edges) - NAMED} more stretches" if len(edges) > NAMED else ""
    return f"{where.sum()} of {len(where)} epochs, not staged ({', '.join(told)}{more})"
