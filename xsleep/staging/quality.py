"""Quality of a signal before it is scored: bad epochs, and what is doubtful about it.

The bounds are wide. They find dead, clipped and unplugged electrodes, wrong units and mixed-up
channels; they do not judge how well a signal can be scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch

from xsleep.core.arrays import Floats
from xsleep.core.errors import InputError
from xsleep.core.recording import EPOCH_SECONDS, Signal, kind
from xsleep.databases.formats import plausibility
from xsleep.databases.formats.channels import as_clock

BAD_SECONDS = EPOCH_SECONDS // 2
"""Seconds of an epoch that are flat from which on it is bad."""

CLIPPED_SHARE = 0.2
"""Share of an epoch's samples at its own extremes from which on it is bad."""

QUIETEST = {"EEG": 6.0, "EOG": 6.0, "EMG": 1.0}
"""Microvolts from peak to peak in 30 s below which an electrode is disconnected; also where they
are less than `QUIET_SHARE` of the median of the other epochs."""
QUIET_SHARE = 0.05

NOISE_RATIO = 1.4
"""Power density at 1-4 Hz over that at 25-45 Hz, without the mains, below which an EEG or EOG is
noise: both fall with frequency, the noise of an open input does not."""

MAINS_SHARE = 0.9
"""Share of the power above 0.5 Hz within 1 Hz of 50 or 60 Hz from which on an epoch is bad."""
MAINS_HERTZ, LOWEST_HERTZ = np.array([50, 60]), 0.5

SWAPPED = 0.3
"""Largest excess of an EEG over an EOG in the logarithm of the power at 0.25-2 Hz over that at
12-16 Hz. In the 24 recordings of the simulated cohort, which has the band powers of
Sleep-EDF, it is 0.0 to 1.8 lower (Fpz-Cz) and 0.9 to 2.7 lower (Pz-Oz)."""

NAMED = 3
"""Stretches that a line names."""

BLOCK = 64
"""Epochs whose spectra are computed at a time."""


@dataclass(frozen=True)
class Quality:
    """Bad epochs of one signal, and what is doubtful about it.

    Attributes:
        bad: (n,) epochs that cannot be scored.
        doubts: a line each.
        slowness: mean logarithm of the power at 0.25-2 Hz over that at 12-16 Hz.
        thin: the signal at every so-many-th sample, to be compared with others.
    """

    bad: NDArray[np.bool_]
    doubts: tuple[str, ...]
    slowness: float
    thin: Signal


def look(name: str, channel: str, signal: Signal, epochs: int, stated: bool) -> Quality:
    """Return the bad epochs of a signal, and what is doubtful about it.

    Args:
        name: of the recording, for messages.
        channel: ``EEG``, ``EOG`` or ``EMG``.
        signal: as recorded.
        epochs: number of epochs to look at.
        stated: the user stated its unit.

    Raises:
        InputError: it is bad throughout, or its amplitude is impossible.
    """
    amplitudes = plausibility.measure(signal)
    plausibility.check_amplitude(Path(name), channel, signal, amplitudes, stated=stated)
    size = int(EPOCH_SECONDS * signal.rate)
    starts = np.rint(np.arange(epochs) * EPOCH_SECONDS * signal.rate).astype(int)
    flat, clipped, height, mains, noise, slow = np.concatenate(
        [
            _measures(np.stack([signal.values[s : s + size] for s in block]), signal.rate)
            for block in np.array_split(starts, -(-epochs // BLOCK))
        ],
        axis=1,
    )
    quietest = QUIETEST[kind(channel)]
    usual = np.median(height[height >= quietest]) if (height >= quietest).any() else 0.0
    reasons = {
        "flat": flat >= BAD_SECONDS,
        "of impossible amplitude": height > plausibility.HIGHEST,
        "disconnected": height < max(quietest, QUIET_SHARE * usual),
        "mains alone": mains >= MAINS_SHARE,
        "clipped": clipped >= CLIPPED_SHARE,
        "noise alone": (noise < NOISE_RATIO) & (kind(channel) != "EMG"),
    }
    found, before = {}, np.zeros(epochs, bool)
    for why, where in reasons.items():  # each epoch has the first of them that holds
        found[why], before = where & ~before, before | where
    what = f"{channel} channel {signal.label!r}"
    for why, where in found.items():
        if where.all():
            raise InputError(f"{name}: {what} is {why} throughout; choose another signal")
    doubts = [f"{what} is {why} in {_stretches(w)}" for why, w in found.items() if w.any()]
    bad = np.any([*found.values()], axis=0)
    slowness = float(slow[~bad].mean()) if not bad.all() else 0.0
    return Quality(bad, tuple(doubts), slowness, amplitudes.thin)


def compare(name: str, looks: Mapping[str, Quality]) -> list[str]:
    """Return what is doubtful about the channels of a recording beside one another.

    Raises:
        InputError: two are the same signal.
    """
    plausibility.check_different(Path(name), {c: found.thin for c, found in looks.items()})
    if not {"EEG", "EOG"} <= looks.keys():
        return []
    eeg, eog = looks["EEG"], looks["EOG"]
    if eeg.slowness - eog.slowness <= SWAPPED:
        return []
    return [
        f"EEG {eeg.thin.label!r} and EOG {eog.thin.label!r} may be swapped: the EEG has more slow "
        "waves and less power from 12 to 16 Hz than the EOG"
    ]


def _measures(epochs: Floats, rate: float) -> Floats:
    """Return flat seconds, clipped share, height, mains' share, noise ratio and slowness (6, n)."""
    seconds = epochs[:, : epochs.shape[1] // EPOCH_SECONDS * EPOCH_SECONDS]
    heights = np.ptp(seconds.reshape(len(epochs), EPOCH_SECONDS, -1), axis=2)
    frequencies, power = welch(epochs, rate, nperseg=round(4 * rate))
    near = np.min(np.abs(frequencies[:, None] - MAINS_HERTZ), axis=1) <= 1
    tiny = np.finfo(np.float32).tiny

    def of(chosen: NDArray[np.bool_]) -> Floats:
        total: Floats = power[:, chosen].sum(axis=1, dtype=float) + tiny
        return total

    def density(low: float, high: float) -> Floats:
        chosen = _between(frequencies, low, high) & ~near
        mean: Floats = of(chosen) / chosen.sum()
        return mean

    low, high = epochs.min(axis=1, keepdims=True), epochs.max(axis=1, keepdims=True)
    return np.stack(
        [
            np.count_nonzero(heights == 0, axis=1),
            ((epochs == low) | (epochs == high)).mean(axis=1),
            np.ptp(epochs, axis=1),
            of(near) / of(frequencies >= LOWEST_HERTZ),
            density(1, 4) / density(25, 45),
            np.log(of(_between(frequencies, 0.25, 2)) / of(_between(frequencies, 12, 16))),
        ]
    )


def _between(frequencies: Floats, low: float, high: float) -> NDArray[np.bool_]:
    return (frequencies >= low) & (frequencies < high)


def _stretches(where: NDArray[np.bool_]) -> str:
    """Return which epochs are bad as clock times from the start, the first few stretches."""
    edges = np.flatnonzero(np.diff(np.r_[False, where, False])).reshape(-1, 2) * EPOCH_SECONDS
    told = [f"{as_clock(start)}-{as_clock(stop)}" for start, stop in edges[:NAMED]]
    more = f" and {len(edges) - NAMED} more stretches" if len(edges) > NAMED else ""
    return f"{where.sum()} of {len(where)} epochs, not staged ({', '.join(told)}{more})"
