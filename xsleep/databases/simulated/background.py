"""The background of EEG and EOG: noise whose spectrum follows the state of the brain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from scipy.fft import irfft
from scipy.signal import lfilter

from xsleep.core.arrays import Floats
from xsleep.core.files import read_csv
from xsleep.core.recording import RATE
from xsleep.core.stages import STAGES
from xsleep.databases.simulated.cohort import Traits, scores
from xsleep.databases.simulated.hypnogram import STAGE_OF_STATE, STATES, TICKS, Night

CHANNELS = ("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal")
BANDS = {"delta": 1.0, "theta": 5.7, "alpha": 9.8, "sigma": 13.9, "beta": 21.0}
"""Bands of the background, and the frequency in hertz at which their density is given."""

TICK = 2 * RATE
"""Samples of a tick."""
FRAME = 2 * TICK
"""Samples of a frame of noise; frames overlap by half."""

QUIET = STATES.index("quiet wake")


@dataclass(frozen=True)
class Calibration:
    """The background by stage, channel and band, and movement by channel.

    Attributes:
        level: (5, 3, 5) ln of the density in microvolts squared per hertz.
        within, between: (5, 3, 5) its standard deviation between epochs and between subjects.
        movement: (3,) factor on the height of movement artefacts.
    """

    level: Floats
    within: Floats
    between: Floats
    movement: Floats


CALIBRATION = files("xsleep.databases.simulated") / "calibration.csv"


@cache
def calibration() -> Calibration:
    """Return the content of ``calibration.csv``."""
    rows = {(r["stage"], r["channel"], r["band"]): r for r in read_csv(CALIBRATION)}

    def column(name: str) -> Floats:
        return np.array(
            [[[float(rows[s, c, b][name]) for b in BANDS] for c in CHANNELS] for s in STAGES]
        )

    movement = column("movement")[0, :, 0]
    return Calibration(column("level"), column("within"), column("between"), movement)


def background(night: Night, traits: Traits, rng: np.random.Generator) -> Floats:
    """Return (3, samples) noise whose spectrum follows the state, the subject and the moment."""
    made = calibration()
    stage = STAGE_OF_STATE[night.states]
    ticks = len(stage)
    epochs = ticks // TICKS

    wandering = wander(scores(rng, 2 * epochs))
    common = rng.standard_normal((ticks + 1, FRAME // 2 + 1, 2), dtype="f4")
    shape, sweat_shape = _spectral_shapes()
    sweat = _sweat(ticks, rng)
    offsets = made.between * (traits.offsets + 0.2 * scores(rng, 1)) / np.sqrt(1.04)
    frames = np.append(np.arange(ticks), ticks - 1)
    signals = np.empty((3, ticks * TICK), "f4")
    for channel in range(3):
        level = (made.level + offsets)[stage, channel]
        level += np.repeat(wandering[:, channel], TICKS, axis=0) * made.within[stage, channel]
        if channel < 2:  # eyes closed, the posterior rhythm; eyes open, tense muscles
            level += np.where((night.states == QUIET)[:, None], (0, 0, 0.3, 0, -0.2), 0)
        density = np.exp(level.astype("f4") @ shape + np.outer(sweat, sweat_shape))
        own = rng.standard_normal(common.shape, dtype="f4")
        own *= np.sqrt(np.float32(0.7))
        own += np.sqrt(np.float32(0.3)) * common
        own *= np.sqrt(density[frames] * np.float32(RATE * FRAME / 4))[..., None]
        signals[channel] = _overlapped(irfft(own.view("c8")[..., 0], FRAME, axis=1))
    return signals


def wander(draws: Floats) -> Floats:
    """Return (epochs, ...) from twice as many normal draws; half of it lasts for minutes."""
    lasting, fleeting = np.split(draws, 2)
    lasting = lfilter([np.sqrt(1 - 0.9**2)], [1, -0.9], lasting, axis=0)
    made: Floats = np.sqrt(0.6) * lasting + np.sqrt(0.4) * fleeting
    return made


@cache
def _spectral_shapes() -> tuple[Floats, Floats]:
    """Return (5, bins) weights from log densities to a log spectrum, and (bins,) of sweat.

    Between the frequencies of the bands the spectrum is 1/f with a slope of its own, and flat
    beyond them.
    """
    hz = np.fft.rfftfreq(FRAME, 1 / RATE)
    at = np.log(hz.clip(0.25))
    knots = np.log(list(BANDS.values()))
    shape = np.array([np.interp(at, knots, row) for row in np.eye(len(knots))])
    return shape.astype("f4"), np.clip(1.2 - hz, 0, 1).astype("f4")


def _sweat(ticks: int, rng: np.random.Generator) -> Floats:
    """Return (ticks,) the slow drift by sweat, for an hour or so in one night of six."""
    sweat = np.zeros(ticks, "f4")
    if rng.random() < 1 / 6:
        start = int(rng.uniform(0.2, 0.8) * ticks)
        sweat[start : start + int(rng.uniform(600, 2400))] = rng.uniform(0.7, 1.8)
    return sweat


def _overlapped(frames: Floats) -> Floats:
    """Return (samples,) the frames (count, FRAME), faded in and out, overlapping by half."""
    frames *= np.sin(np.pi * (np.arange(FRAME, dtype="f4") + 0.5) / FRAME)
    return (frames[1:, :TICK] + frames[:-1, TICK:]).ravel()
