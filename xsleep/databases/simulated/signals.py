"""Signals of a night: the states of the brain in, seven channels out.

EEG and EOG are noise whose spectrum follows the state, the transients of each state, and artefacts:
eyes in the EEG, brain in the EOG, movement, muscle, sweat, mains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from xsleep.core.arrays import Floats
from xsleep.core.recording import RATE
from xsleep.databases.simulated import waves
from xsleep.databases.simulated.background import CHANNELS, TICK, background, calibration, wander
from xsleep.databases.simulated.cohort import Traits
from xsleep.databases.simulated.hypnogram import STATES, TICKS, Night


@dataclass(frozen=True)
class Kind:
    """Kind of transient.

    Attributes:
        rate: number per minute in each of `STATES`.
        microvolts: height of the median wave in EEG Fpz-Cz, EEG Pz-Oz and EOG.
        spread, clustering: standard deviation of the logarithm of the height from wave to wave,
            and of the rate from epoch to epoch.
    """

    make: waves.Wave
    rate: tuple[float, ...]
    microvolts: tuple[float, float, float]
    spread: float = 0.4
    clustering: float = 0.6


EYES = ("blink", "saccade", "rapid", "rolling")


def kinds(traits: Traits) -> dict[str, Kind]:
    """Return the transients of a subject, at the rates and heights of the median subject."""
    alpha, sigma = traits.alpha_hz, traits.spindle_hz
    return {
        "blink": Kind(waves.blink, (14, 1, 0.3, 0, 0, 0.3), (60, 8, 110)),
        "saccade": Kind(waves.saccade, (25, 3, 0.5, 0, 0, 0), (18, 5, 130), 0.6),
        "rapid": Kind(waves.saccade, (0, 0, 0.2, 0, 0, 5), (10, 3, 75), 0.5, 1.3),
        "rolling": Kind(waves.rolling, (0.3, 2, 3, 0.2, 0, 0.5), (4, 1, 35)),
        "theta": Kind(waves.burst(4, 7.5, 2), (1, 2, 6, 3, 1, 4), (12, 8, 3)),
        "alpha": Kind(
            waves.burst(alpha - 0.4, alpha + 0.4, 3), (1, 18, 3, 0.3, 0, 0.5), (7, 13, 3)
        ),
        "spindle": Kind(
            waves.burst(sigma - 0.6, sigma + 0.6, 1.6), (0, 0, 0.1, 4, 1.5, 0), (13, 12, 2), 0.3
        ),
        "k_complex": Kind(waves.k_complex, (0, 0, 0.05, 1.3, 0.5, 0), (65, 22, 25), 0.3),
        "slow": Kind(waves.slow_wave, (0, 0, 0, 3, 24, 0), (45, 18, 22), 0.4, 0.2),
        "sawtooth": Kind(waves.sawtooth, (0, 0, 0.1, 0, 0, 1.6), (13, 6, 4), 0.3, 1.0),
        "vertex": Kind(waves.vertex_wave, (0, 0.1, 1.5, 0.4, 0, 0), (40, 15, 10)),
        "movement": Kind(
            waves.movement, (1.2, 0.6, 0.2, 0.05, 0.02, 0.05), (60, 30, 150), 0.7, 1.0
        ),
        "muscle": Kind(waves.muscle, (4, 2, 0.5, 0.1, 0, 0.1), (9, 5, 8), 0.6, 1.0),
    }


def synthesise(night: Night, traits: Traits, rng: np.random.Generator) -> dict[str, Floats]:
    """Return the seven signals of a night by channel.

    EEG and EOG (samples,) are in microvolts at 100 Hz, the others (seconds,) at 1 Hz: rectified EMG
    in microvolts, temperature in degrees Celsius, respiration and event marker without unit.
    """
    fast = background(night, traits, rng)
    moved = _add_transients(fast, night, traits, rng)
    fast *= traits.amplitude[:, None].astype("f4")
    fast += _mains(fast.shape[1], rng)
    return dict(zip(CHANNELS, fast, strict=True)) | _slow_signals(night, traits, moved, rng)


def _add_transients(
    signals: Floats, night: Night, traits: Traits, rng: np.random.Generator
) -> Floats:
    """Add all transients to (3, samples) in place, and return (seconds,) 1 for each movement."""
    length = signals.shape[1]
    movement = calibration().movement
    moved = np.zeros(length // RATE, "f4")
    for name, kind in kinds(traits).items():
        height, rate = traits.waves[name]
        if name == "alpha":
            height *= traits.alpha
        per_tick = np.array(kind.rate)[night.states] * rate / 30
        wandering = wander(rng.standard_normal(2 * len(night.states) // TICKS))
        per_tick *= np.repeat(np.exp(kind.clustering * (wandering - kind.clustering / 2)), TICKS)
        counts = rng.poisson(per_tick.clip(max=3))
        onsets = np.repeat(np.arange(len(counts)) * TICK, counts)
        onsets += rng.integers(0, TICK, len(onsets))
        shapes = kind.make(len(onsets), rng)
        heights = height * np.exp(kind.spread * rng.standard_normal(len(onsets), dtype="f4"))
        summed = waves.track(length, onsets, shapes * heights[:, None])
        gains = np.array(kind.microvolts, "f4")
        if name in EYES:
            gains[:2] *= traits.leakage
        if name == "movement":
            gains *= movement
            for second in range(-1, 8):
                moved[np.clip(onsets // RATE + second, 0, len(moved) - 1)] = 1
        for signal, gain in zip(signals, gains, strict=True):
            signal += gain * summed
    return moved


def _mains(samples: int, rng: np.random.Generator) -> Floats:
    """Return (samples,) mains hum, which beats, as its 50 Hz are the Nyquist frequency."""
    hz = 50 + rng.normal(0, 0.02)
    phase = 2 * np.pi * hz / RATE * np.arange(samples) + rng.uniform(0, 2 * np.pi)
    mains: Floats = (rng.uniform(0, 0.5) * np.sin(phase)).astype("f4")
    return mains


# Chin muscle tone and its spread, as shares of the tone awake, per state.
TONE = np.array([1.1, 0.85, 0.6, 0.5, 0.45, 0.25])


def _slow_signals(
    night: Night, traits: Traits, moved: Floats, rng: np.random.Generator
) -> dict[str, Floats]:
    """Return the four signals at 1 Hz."""
    seconds = np.arange(len(moved))
    states = np.repeat(night.states, 2)
    wandering = np.repeat(wander(rng.standard_normal(len(moved) // 15)), 30)
    tone = traits.tone * TONE[states] * np.exp(0.3 * wandering)
    twitches = (states == STATES.index("REM")) & (rng.random(len(moved)) < 0.03)
    tone = lfilter([0.4], [1, -0.6], tone + 1.5 * moved + twitches)
    breathing = np.cumsum(0.25 + 0.02 * rng.standard_normal(len(moved)))
    clock = (seconds - 30 * (night.lights_off + night.lights_on) / 2) / 3600
    warmth = 37.0 - 0.4 * np.cos(2 * np.pi * clock / 24)
    marker = rng.normal(910, 22, len(moved))
    for press in (night.lights_off, night.lights_on):
        marker[press * 30 : press * 30 + 3] = 136
    return {
        "Resp oro-nasal": 600 * np.sin(2 * np.pi * breathing) + rng.normal(0, 100, len(moved)),
        "EMG submental": tone + rng.normal(0, 0.08, len(moved)),
        "Temp rectal": warmth + rng.normal(0, 0.02, len(moved)),
        "Event marker": marker,
    }
