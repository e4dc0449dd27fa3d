"""What the electrodes see of a night: seven signals out of its states.

EEG and EOG are noise whose spectrum follows the state, plus the transients of each
state, plus what disturbs: eyes in the EEG, brain in the EOG, movement, muscle, sweat,
mains.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from scipy.fft import irfft
from scipy.signal import lfilter

from xsleep.databases.simulated import waves
from xsleep.databases.simulated.cohort import Traits
from xsleep.databases.simulated.hypnogram import STAGE_OF_STATE, STATES, TICKS, Night
from xsleep.stages import STAGES
from xsleep.store import RATE

CHANNELS = ("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal")
BANDS = {"delta": 1.0, "theta": 5.7, "alpha": 9.8, "sigma": 13.9, "beta": 21.0}
"""Bands of the background, and the frequency in hertz at which their density is given."""

TICK = 2 * RATE
"""Samples of a tick."""
FRAME = 2 * TICK
"""Samples of a frame of noise; frames overlap by half."""

QUIET = STATES.index("quiet wake")


@dataclass(frozen=True)
class Kind:
    """One kind of transient.

    Attributes:
        rate: per minute in each of ``STATES``.
        microvolts: height in EEG Fpz-Cz, EEG Pz-Oz, EOG of the median wave.
        spread: of the logarithm of the height from wave to wave.
        clustering: of the logarithm of the rate from epoch to epoch.
    """

    make: waves.Wave
    rate: tuple[float, ...]
    microvolts: tuple[float, float, float]
    spread: float = 0.4
    clustering: float = 0.6


EYES = ("blink", "saccade", "rapid", "rolling")


def kinds(traits: Traits) -> dict[str, Kind]:
    """The transients of a subject, each at the rate and height of the median subject."""
    alpha, sigma = traits.alpha_hz, traits.spindle_hz
    return {
        "blink": Kind(waves.blink, (14, 1, 0.3, 0, 0, 0.3), (75, 8, 110)),
        "saccade": Kind(waves.saccade, (25, 3, 0.5, 0, 0, 0), (18, 5, 130), 0.6),
        "rapid": Kind(waves.saccade, (0, 0, 0.2, 0, 0, 5), (10, 3, 75), 0.5, 1.3),
        "rolling": Kind(waves.rolling, (0.3, 2, 3, 0.2, 0, 0.5), (4, 1, 35)),
        "theta": Kind(waves.burst(4, 7.5, 2), (1, 2, 6, 3, 1, 4), (12, 8, 3)),
        "alpha": Kind(
            waves.burst(alpha - 0.4, alpha + 0.4, 3), (1, 18, 3, 0.3, 0, 0.5), (9, 18, 3)
        ),
        "spindle": Kind(
            waves.burst(sigma - 0.6, sigma + 0.6, 1.6), (0, 0, 0.1, 4, 1.5, 0), (13, 12, 2), 0.3
        ),
        "k_complex": Kind(waves.k_complex, (0, 0, 0.05, 1.3, 0.5, 0), (65, 22, 25), 0.3),
        "slow": Kind(waves.slow_wave, (0, 0, 0, 3, 24, 0), (45, 18, 22), 0.4, 0.4),
        "sawtooth": Kind(waves.sawtooth, (0, 0, 0.1, 0, 0, 1.6), (13, 6, 4), 0.3, 1.0),
        "vertex": Kind(waves.vertex_wave, (0, 0.1, 1.5, 0.4, 0, 0), (40, 15, 10)),
        "movement": Kind(
            waves.movement, (1.2, 0.6, 0.2, 0.05, 0.02, 0.05), (60, 30, 150), 0.7, 1.0
        ),
        "muscle": Kind(waves.muscle, (4, 2, 0.5, 0.1, 0, 0.1), (9, 5, 8), 0.6, 1.0),
    }


@dataclass(frozen=True)
class Calibration:
    """The background per stage, channel and band, and movement per channel.

    Attributes:
        level: (5, 3, 5) ln of the density in microvolts squared per hertz.
        within: (5, 3, 5) its deviation from epoch to epoch.
        between: (5, 3, 5) its deviation between subjects.
        movement: (3,) factor on the height of movement artefacts.
    """

    level: np.ndarray
    within: np.ndarray
    between: np.ndarray
    movement: np.ndarray


CALIBRATION = files("xsleep.databases.simulated") / "calibration.csv"


@cache
def calibration() -> Calibration:
    """What ``calibration.csv`` says."""
    with CALIBRATION.open() as file:
        rows = {(r["stage"], r["channel"], r["band"]): r for r in csv.DictReader(file)}

    def column(name: str) -> np.ndarray:
        return np.array(
            [[[float(rows[s, c, b][name]) for b in BANDS] for c in CHANNELS] for s in STAGES]
        )

    movement = column("movement")[0, :, 0]
    return Calibration(column("level"), column("within"), column("between"), movement)


def synthesise(night: Night, traits: Traits, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The seven signals of a night, by channel.

    Returns:
        EEG and EOG (samples,) in microvolts at 100 Hz; the others (seconds,) at 1 Hz:
        respiration in arbitrary units, the rectified chin EMG in microvolts, rectal
        temperature in degrees Celsius, the event marker in arbitrary units.
    """
    fast = _background(night, traits, rng)
    moved = _add_transients(fast, night, traits, rng)
    fast *= traits.amplitude[:, None].astype("f4")
    fast += _mains(fast.shape[1], rng)
    return dict(zip(CHANNELS, fast, strict=True)) | _slow_signals(night, traits, moved, rng)


def _background(night: Night, traits: Traits, rng: np.random.Generator) -> np.ndarray:
    """(3, samples) noise whose spectrum follows the state, the subject and the moment."""
    made = calibration()
    stage = STAGE_OF_STATE[night.states]
    ticks = len(stage)
    epochs = ticks // TICKS

    # What wanders over the night is shared by all, by a channel's bands, or by none.
    wander = (
        np.sqrt(0.3) * _wander((1, 1, epochs), rng)
        + np.sqrt(0.3) * _wander((3, 1, epochs), rng)
        + np.sqrt(0.4) * _wander((3, 5, epochs), rng)
    )
    common = rng.standard_normal((ticks + 1, FRAME // 2 + 1, 2), dtype="f4")
    shape, sweat_shape = _spectral_shapes()
    sweat = _sweat(ticks, rng)
    night_offset = 0.3 * rng.standard_normal((3, 5))
    offsets = made.between * (traits.offsets + night_offset) / np.sqrt(1.09)
    frames = np.append(np.arange(ticks), ticks - 1)
    signals = np.empty((3, ticks * TICK), "f4")
    for channel in range(3):
        level = (made.level + offsets)[stage, channel]
        level += np.repeat(wander[channel].T, TICKS, axis=0) * made.within[stage, channel]
        if channel < 2:  # eyes closed, the posterior rhythm; eyes open, tense muscles
            level += np.where((night.states == QUIET)[:, None], (0, 0, 0.3, -0.1, -0.4), 0)
        density = np.exp(level.astype("f4") @ shape + np.outer(sweat, sweat_shape))
        own = rng.standard_normal(common.shape, dtype="f4")
        own *= np.sqrt(np.float32(0.7))
        own += np.sqrt(np.float32(0.3)) * common
        own *= np.sqrt(density[frames] * np.float32(RATE * FRAME / 4))[..., None]
        signals[channel] = _overlapped(irfft(own.view("c8")[..., 0], FRAME, axis=1))
    return signals


def _wander(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Standard normal along the last axis, half of it lasting for some minutes."""
    slow = lfilter([np.sqrt(1 - 0.9**2)], [1, -0.9], rng.standard_normal(shape))
    return np.sqrt(0.6) * slow + np.sqrt(0.4) * rng.standard_normal(shape)


@cache
def _spectral_shapes() -> tuple[np.ndarray, np.ndarray]:
    """(5, bins) weights that make a log spectrum out of log densities, and (bins,) of sweat.

    The logarithm of the density is linear in that of the frequency between the bands'
    frequencies, and flat beyond them: 1/f with a slope that changes from band to band.
    """
    hz = np.fft.rfftfreq(FRAME, 1 / RATE)
    at = np.log(hz.clip(0.25))
    knots = np.log(list(BANDS.values()))
    shape = np.array([np.interp(at, knots, row) for row in np.eye(len(knots))])
    return shape.astype("f4"), np.clip(1.2 - hz, 0, 1).astype("f4")


def _sweat(ticks: int, rng: np.random.Generator) -> np.ndarray:
    """(ticks,) how much slow drift sweat adds: an hour or so, in one night of six."""
    sweat = np.zeros(ticks, "f4")
    if rng.random() < 1 / 6:
        start = int(rng.uniform(0.2, 0.8) * ticks)
        sweat[start : start + int(rng.uniform(600, 2400))] = rng.uniform(0.7, 1.8)
    return sweat


def _overlapped(frames: np.ndarray) -> np.ndarray:
    """Frames (count, FRAME), faded in and out and half overlapping, in a row."""
    frames *= np.sin(np.pi * (np.arange(FRAME, dtype="f4") + 0.5) / FRAME)
    return (frames[1:, :TICK] + frames[:-1, TICK:]).ravel()


def _add_transients(
    signals: np.ndarray, night: Night, traits: Traits, rng: np.random.Generator
) -> np.ndarray:
    """Add every kind of transient to (3, samples) in place.

    Returns:
        (seconds,) 1 where there is a movement, for the chin.
    """
    length = signals.shape[1]
    movement = calibration().movement
    moved = np.zeros(length // RATE, "f4")
    for name, kind in kinds(traits).items():
        height, rate = traits.waves[name]
        if name == "alpha":
            height *= traits.alpha
        per_tick = np.array(kind.rate)[night.states] * rate / 30
        wander = _wander((len(night.states) // TICKS,), rng)
        per_tick *= np.repeat(np.exp(kind.clustering * (wander - kind.clustering / 2)), TICKS)
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


def _mains(samples: int, rng: np.random.Generator) -> np.ndarray:
    """What the recorder leaves of 50 Hz, which lies at the Nyquist frequency and so beats."""
    hz = 50 + rng.normal(0, 0.02)
    phase = 2 * np.pi * hz / RATE * np.arange(samples) + rng.uniform(0, 2 * np.pi)
    return (rng.uniform(0, 0.5) * np.sin(phase)).astype("f4")


# Chin muscle tone and its spread, as shares of the tone awake, per state.
TONE = np.array([1.1, 0.85, 0.6, 0.5, 0.45, 0.25])


def _slow_signals(
    night: Night, traits: Traits, moved: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The four signals at 1 Hz."""
    seconds = np.arange(len(moved))
    states = np.repeat(night.states, 2)
    tone = traits.tone * TONE[states] * np.exp(0.3 * np.repeat(_wander((len(moved) // 30,), rng), 30))
    twitches = (states == STATES.index("REM")) & (rng.random(len(moved)) < 0.03)
    tone = lfilter([0.4], [1, -0.6], tone + 1.5 * moved + twitches)
    breathing = np.cumsum(0.25 + 0.02 * rng.standard_normal(len(moved)))
    clock = (seconds - 30 * (night.lights_off + night.lights_on) / 2) / 3600
    marker = rng.normal(910, 22, len(moved))
    for press in (night.lights_off, night.lights_on):
        marker[press * 30 : press * 30 + 3] = 136
    return {
        "Resp oro-nasal": 600 * np.sin(2 * np.pi * breathing) + rng.normal(0, 100, len(moved)),
        "EMG submental": tone + rng.normal(0, 0.08, len(moved)),
        "Temp rectal": 37.0 - 0.4 * np.cos(2 * np.pi * clock / 24) + rng.normal(0, 0.02, len(moved)),
        "Event marker": marker,
    }
