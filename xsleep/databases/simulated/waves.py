"""Transients of sleep and wakefulness, as waveforms at 100 Hz of height 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xsleep.core.arrays import Floats, Integers
from xsleep.core.recording import RATE

Wave = Callable[[int, np.random.Generator], Floats]
"""Makes that many waves: (count, samples)."""


def _time(seconds: float) -> Floats:
    return np.arange(round(seconds * RATE), dtype="f4") / RATE


def _column(values: Floats) -> Floats:
    return values.astype("f4")[:, None]


def burst(low_hz: float, high_hz: float, seconds: float) -> Wave:
    """A waxing and waning oscillation: spindles, alpha, theta."""

    def make(count: int, rng: np.random.Generator) -> Floats:
        t = _time(seconds)
        hz = _column(rng.uniform(low_hz, high_hz, count))
        width = _column(rng.uniform(0.1, 0.22, count) * seconds)
        phase = _column(rng.uniform(0, 2 * np.pi, count))
        envelope = np.exp(-0.5 * ((t - seconds / 2) / width) ** 2)
        return envelope * np.sin(2 * np.pi * hz * t + phase)

    return make


def slow_wave(count: int, rng: np.random.Generator) -> Floats:
    """One negative and one positive half wave, 0.6 to 1.5 Hz."""
    t = _time(1.7)
    hz = _column(rng.uniform(0.6, 1.5, count))
    return np.where(hz * t < 1, -np.sin(2 * np.pi * hz * t), 0)


def k_complex(count: int, rng: np.random.Generator) -> Floats:
    """A sharp negative wave and a slower positive one."""
    t = _time(1.6)
    late = _column(rng.uniform(0.75, 1.0, count))
    sharp = np.exp(-0.5 * ((t - 0.4) / 0.1) ** 2)
    waves: Floats = -sharp + 0.7 * np.exp(-0.5 * ((t - late) / 0.2) ** 2)
    return waves


def vertex_wave(count: int, rng: np.random.Generator) -> Floats:
    """A sharp wave of a fifth of a second."""
    width = _column(rng.uniform(0.04, 0.07, count))
    t = _time(0.6)
    return -np.exp(-0.5 * ((t - 0.25) / width) ** 2) + 0.4 * np.exp(
        -0.5 * ((t - 0.42) / width) ** 2
    )


def sawtooth(count: int, rng: np.random.Generator) -> Floats:
    """A train of notched waves of 2 to 4 Hz."""
    t = _time(3)
    hz = _column(rng.uniform(2, 4, count))
    return (2 * ((hz * t) % 1) - 1) * np.sin(np.pi * t / 3)


def blink(count: int, rng: np.random.Generator) -> Floats:
    """A pulse of a third of a second, and what the recorder's high-pass makes of it."""
    t = _time(1.2)
    width = _column(rng.uniform(0.06, 0.1, count))
    after = np.where(t > 0.35, np.exp(-(t - 0.35) / 0.3), 0)
    return np.exp(-0.5 * ((t - 0.25) / width) ** 2) - 0.3 * after


def saccade(count: int, rng: np.random.Generator) -> Floats:
    """A step to either side that decays with the time constant of a 0.5 Hz high-pass."""
    t = _time(1.6)
    decay = _column(rng.uniform(0.25, 0.4, count))
    rise = np.clip(t / 0.05, 0, 1)
    made: Floats = _column(rng.choice([-1.0, 1.0], count)) * rise * np.exp(-t / decay)
    return made


def rolling(count: int, rng: np.random.Generator) -> Floats:
    """A slow eye movement of 0.25 to 0.6 Hz."""
    t = _time(6)
    hz = _column(rng.uniform(0.25, 0.6, count))
    side = _column(rng.choice([-1.0, 1.0], count))
    made: Floats = side * np.sin(2 * np.pi * hz * t) * np.sin(np.pi * t / 6) ** 2
    return made


def movement(count: int, rng: np.random.Generator) -> Floats:
    """Swaying electrodes: a random walk that comes and goes."""
    t = _time(8)
    steps = rng.standard_normal((count, len(t)), dtype="f4")
    walk = np.cumsum(steps, axis=1)
    walk -= walk.mean(axis=1, keepdims=True)
    made: Floats = walk / walk.std(axis=1, keepdims=True) * np.sin(np.pi * t / 8) ** 2
    return made


def muscle(count: int, rng: np.random.Generator) -> Floats:
    """Broadband noise for two seconds."""
    t = _time(2)
    made: Floats = rng.standard_normal((count, len(t)), dtype="f4") * np.sin(np.pi * t / 2) ** 2
    return made


def track(length: int, onsets: Integers, waves: Floats) -> Floats:
    """Return (length,) the sum of waves (count, samples) that start at the samples ``onsets``."""
    places = onsets[:, None] + np.arange(waves.shape[1])
    inside = places < length
    return np.bincount(places[inside], waves[inside], minlength=length).astype("f4")
