"""Perturbations: a recording as it was read in, the same with what recordings suffer out.

They act on the raw signals, before the filters, as they do in a laboratory. Each is the same for
every system, and drawn from a seed, the recording and its own name.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import signal as dsp

from xsleep.config.robustness import Gain, Lost, LowPass, Mains, Missing, Perturbation
from xsleep.core.arrays import Doubles
from xsleep.core.recording import EPOCH_SECONDS, Hypnogram, Recording, Signal
from xsleep.core.stages import UNSCORED

DRIFT = 0.05
"""Largest deviation of the mains from its frequency in hertz, which moves with the load."""

ORDER = 4
"""Order of the Butterworth low-pass filter."""

Random = np.random.Generator


def amplitude(values: Doubles, rate: float) -> float:
    """Return the usual standard deviation of a signal in 30 s: the median, without flat pieces."""
    size = min(round(EPOCH_SECONDS * rate), len(values))
    deviations = values[: len(values) // size * size].reshape(-1, size).std(axis=1)
    moving = deviations[deviations > 0]
    return float(np.median(moving)) if len(moving) else 0.0


def flat(values: Doubles, rate: float, random: Random) -> Doubles:
    """Return zeros, as of an input that is not connected."""
    return np.zeros_like(values)


def noise(values: Doubles, rate: float, random: Random) -> Doubles:
    """Return white noise of the signal's `amplitude`, as of an electrode that is off."""
    return amplitude(values, rate) * random.standard_normal(len(values))


def gain(values: Doubles, rate: float, random: Random, *, factor: float) -> Doubles:
    """Return the signal of an amplifier of another gain, neither clipped nor rounded anew."""
    return factor * values


def mains(
    values: Doubles, rate: float, random: Random, *, frequency: float, relative: float
) -> Doubles:
    """Return the signal with a sine of the mains in it.

    Its root mean square is ``relative`` times the `amplitude`, its phase random, and its frequency
    (hertz) off by at most `DRIFT`. Above half the rate there is none: amplifiers take it away
    before they sample.
    """
    if frequency > rate / 2:
        return values
    exact, phase = frequency + random.uniform(-DRIFT, DRIFT), random.uniform(0, 2 * np.pi)
    strength = 2**0.5 * relative * amplitude(values, rate)
    hum: Doubles = strength * np.sin(2 * np.pi * exact / rate * np.arange(len(values)) + phase)
    return values + hum


def low_pass(values: Doubles, rate: float, random: Random, *, cutoff: float) -> Doubles:
    """Return the signal behind a causal Butterworth filter, 3 dB down at the cutoff in hertz."""
    if cutoff >= rate / 2:
        return values
    filtered: Doubles = dsp.sosfilt(dsp.butter(ORDER, cutoff, fs=rate, output="sos"), values)
    return filtered


SIGNALS: Mapping[str, Callable[..., Doubles]] = {
    "flat": flat,
    "noise": noise,
    "gain": gain,
    "mains": mains,
    "low-pass": low_pass,
}
"""Function of samples (n,) in microvolts, rate in hertz, random generator and parameters."""


def lost_blocks(
    start: float, stop: float, random: Random, *, share: float, minutes: float
) -> Doubles:
    """Return the times (n, 2) in seconds of blocks that are lost between a start and a stop."""
    begins = np.arange(start, stop, 60 * minutes)
    lost = np.sort(random.permutation(len(begins))[: round(share * len(begins))])
    return begins[lost, None] + [0, 60 * minutes]


def perturbed(recording: Recording, change: Perturbation, seed: int) -> Recording:
    """Return a recording with a perturbation.

    One of another derivation is that derivation already, and is returned as it is.
    """
    drawn = zlib.crc32(f"{recording.name}: {change.name}".encode())
    random = np.random.default_rng([seed, drawn])
    if isinstance(change, Missing):
        return _with_gaps(recording, change, random)
    if not isinstance(change, Lost | Gain | Mains | LowPass):
        return recording
    channels = [change.channel] if isinstance(change, Lost) else [*recording.signals]
    parameters = change.model_dump(exclude={"change", "channel"})
    made = {
        channel: _changed(recording.signals[channel], change.change, random, parameters)
        for channel in channels
    }
    return replace(recording, signals={**recording.signals, **made})


def _changed(signal: Signal, change: str, random: Random, parameters: Mapping[str, Any]) -> Signal:
    values = signal.values[:].astype(float)
    return replace(signal, values=SIGNALS[change](values, signal.rate, random, **parameters))


def _with_gaps(recording: Recording, change: Missing, random: Random) -> Recording:
    """Return a recording without signals and stages in lost blocks of its scored time."""
    onsets, stages = recording.hypnogram.onsets, recording.hypnogram.stages
    scored = onsets[stages != UNSCORED]
    blocks = lost_blocks(
        scored[0], scored[-1] + EPOCH_SECONDS, random, share=change.share, minutes=change.minutes
    )
    signals = {}
    for channel, signal in recording.signals.items():
        values = signal.values[:].copy()
        for first, last in np.rint(blocks * signal.rate).astype(int):
            values[max(first, 0) : max(last, 0)] = 0
        signals[channel] = replace(signal, values=values)
    gone = np.zeros(len(onsets), bool)
    for first, last in blocks:
        gone |= (onsets < last) & (onsets + EPOCH_SECONDS > first)
    left = Hypnogram(onsets, np.where(gone, UNSCORED, stages))
    return replace(recording, signals=signals, hypnogram=left)
