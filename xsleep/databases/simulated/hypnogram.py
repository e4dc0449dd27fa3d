"""Simulated hypnograms: traits of a subject in, states of the brain and scored stages out.

A night is a series of phases: wakefulness, and cycles of light and deep sleep that end in REM.
Within a phase, the stages are a Markov chain. Transition matrices and mean lengths are those of
153 scored Sleep-EDF recordings that were cut into such phases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsleep.core.arrays import Floats, Integers
from xsleep.databases.simulated.cohort import Traits

W, N1, N2, N3, REM = range(5)
TICKS = 15
"""Ticks of 2 s per epoch, the resolution of the states."""

STATES = ("active wake", "quiet wake", "N1", "N2", "N3", "REM")
"""States of the brain in a tick."""
STAGE_OF_STATE = np.array([W, W, N1, N2, N3, REM])

WAKE_AROUND = 70
"""Epochs of wakefulness that a record keeps at least before and after the time in bed."""

# Rows: from W, N1, N2, N3, REM.
LIGHT = np.array(
    [
        [0.59, 0.385, 0.025, 0, 0],
        [0.075, 0.757, 0.168, 0, 0],
        [0.014, 0.028, 0.958, 0, 0],
        [0, 0, 1, 0, 0],
        [0.17, 0.43, 0.40, 0, 0],
    ]
)
# Deep sleep either flickers or lasts.
FLICKERING, LASTING = (
    np.array(
        [
            [0.38, 0.25, 0.21, 0.16, 0],
            [0, 0.27, 0.66, 0.07, 0],
            [0.001, 0.004, 0.995 - dive, dive, 0],
            [0.002, 0.002, lift, 0.996 - lift, 0],
            [0, 0, 0, 1, 0],
        ]
    )
    for dive, lift in ((0.3, 0.42), (0.6, 0.05))
)
DREAM = np.array(
    [
        [0.33, 0.42, 0.02, 0, 0.23],
        [0.024, 0.556, 0.09, 0, 0.33],
        [0.01, 0.037, 0.705, 0, 0.248],
        [0, 0, 0, 0, 1],
        [0.01, 0.02, 0.006, 0, 0.964],
    ]
)

# Per cycle; later cycles are like the last.
DEEP_MINUTES = (24, 23, 12, 5.5, 2.5)
NREM_MINUTES = (74, 78, 72, 62, 52)
REM_MINUTES = (14, 18, 20, 20, 17)

# True stages of an epoch, by scored stage, if the scorer errs.
SCORED_AS = np.array(
    [
        [0.965, 0.025, 0.005, 0, 0.005],
        [0.08, 0.75, 0.12, 0, 0.05],
        [0.006, 0.035, 0.92, 0.033, 0.006],
        [0, 0, 0.05, 0.95, 0],
        [0.01, 0.04, 0.02, 0, 0.93],
    ]
)


@dataclass(frozen=True)
class Night:
    """A simulated night.

    Attributes:
        scored: (epochs,) scored stages, of ``W 1 2 3 4 R M ?``.
        states: (epochs * TICKS,) indices into `STATES`.
        lights_off, lights_on: epochs at which the lights went off and on.
    """

    scored: NDArray[np.str_]
    states: Integers
    lights_off: int
    lights_on: int


def simulate(hours: float, traits: Traits, rng: np.random.Generator) -> Night:
    """Return a night in a recording of ``hours``, of which 7 to 9 h, if they fit, are in bed."""
    epochs = round(hours * 120)
    tail = int(rng.integers(1, epochs // 40 + 1))  # the recorder outlasts the scoring
    room = epochs - 2 * WAKE_AROUND - tail
    in_bed = min(int(np.clip(rng.normal(8.2, 0.5), 7, 9) * 120), room)
    lights_off = WAKE_AROUND + int((room - in_bed) * rng.uniform(0.3, 0.45))
    lights_on = lights_off + in_bed
    stages = np.full(epochs, W)
    stages[lights_off:lights_on] = _sleep(in_bed, traits, rng)
    scored = _score(stages, traits, rng)
    scored[epochs - tail :] = "?"
    return Night(scored, _states(stages, lights_off, lights_on, rng), lights_off, lights_on)


def _sleep(length: int, traits: Traits, rng: np.random.Generator) -> Integers:
    """Return (length,) stages from lights off to lights on."""

    def lognormal(minutes: float, spread: float) -> int:
        return int(2 * minutes * np.exp(spread * rng.standard_normal()))

    night = [W] * (1 + lognormal(9 * traits.fragility**0.5, 0.9))

    def phase(matrix: Floats, epochs: int) -> None:
        fragility = traits.fragility * np.exp(0.7 * rng.standard_normal() - 0.2)
        night.extend(_chain(_fragmented(matrix, fragility), night[-1], epochs, rng))

    def light(epochs: int) -> None:
        phase(LIGHT, epochs)
        if rng.random() < min(0.16 * traits.fragility, 0.6):
            night.extend([W] * max(8, lognormal(9, 0.7)))

    cycle = 0
    while len(night) < length:
        place = min(cycle, len(NREM_MINUTES) - 1)
        nrem = lognormal(NREM_MINUTES[place], 0.3)
        deep = min(lognormal(DEEP_MINUTES[place] * traits.depth, 0.5), int(0.75 * nrem))
        if cycle and rng.random() < 0.15:
            deep = 0
        spare = nrem - deep
        light(min(int(rng.uniform(0.15, 0.4) * spare), 60))
        while deep > 3:
            block = min(deep, int(rng.exponential(28)) + 2)
            phase(LASTING if rng.random() < 0.5 else FLICKERING, block)
            deep -= block
            light(int(rng.uniform(0.1, 0.3) * spare))
        light(int(rng.uniform(0.25, 0.5) * spare))
        rem = lognormal(REM_MINUTES[place] * traits.rem, 0.5)
        night.append(REM)
        phase(DREAM, rem)
        cycle += 1
    morning = min(int(rng.exponential(25)), length // 8)
    return np.array(night[: length - morning] + [W] * morning)


def _chain(matrix: Floats, stage: int, length: int, rng: np.random.Generator) -> list[int]:
    """Return ``length`` stages that follow ``stage``."""
    steps = matrix.cumsum(axis=1) / matrix.sum(axis=1, keepdims=True)
    stages = []
    for draw in rng.random(length):
        stage = int(np.searchsorted(steps[stage], draw, side="right"))
        stages.append(stage)
    return stages


def _fragmented(matrix: Floats, fragility: float) -> Floats:
    """Return the matrix with more (or fewer) transitions from sleep to W and N1."""
    matrix = matrix.copy()
    matrix[N2:, :N2] *= fragility
    matrix[N1, W] *= fragility**0.5
    return matrix


def _score(stages: Integers, traits: Traits, rng: np.random.Generator) -> NDArray[np.str_]:
    """Return R&K letters, with 3 and 4 for N3, and movement time for a few arousals."""
    letters = np.array(list("W123R"))[stages]
    deeper, shallower = 0.5 * traits.s4, 0.5 * (1 - traits.s4)
    is_four = False
    for epoch in np.flatnonzero(stages == N3):
        is_four = rng.random() < (1 - shallower if is_four else deeper)
        if is_four:
            letters[epoch] = "4"
    roused = np.flatnonzero((stages[:-1] >= N2) & (stages[1:] <= N1)) + 1
    letters[roused[rng.random(len(roused)) < 0.07]] = "M"
    return letters


def _states(
    stages: Integers, lights_off: int, lights_on: int, rng: np.random.Generator
) -> Integers:
    """Return (epochs * TICKS,) the true states of stages that a scorer who errs assigned.

    Stages change within epochs. Some epochs, mostly beside a change, have another stage than the
    scored one. Sleep is broken by short arousals.
    """
    epochs = len(stages)
    changes = np.flatnonzero(np.diff(stages)) + 1
    beside = np.zeros(epochs, bool)
    beside[changes] = beside[changes - 1] = True
    errs = rng.random(epochs) < np.where(beside, 1.0, 0.6)
    in_bed = (np.arange(epochs) >= lights_off) & (np.arange(epochs) < lights_on)
    steps = SCORED_AS.cumsum(axis=1)[stages]
    held = (rng.random((epochs, 1)) > steps).sum(axis=1).clip(max=4)
    true = np.where(errs & in_bed, held, stages)

    # The change from one epoch's stage to the next's is displaced by some seconds.
    ticks = np.repeat(true, TICKS)
    for change in np.flatnonzero(np.diff(true)) + 1:
        shift = int(np.clip(rng.normal(0, 4), -8, 8))
        first, last = sorted((change * TICKS, change * TICKS + shift))
        ticks[first:last] = true[change] if shift < 0 else true[change - 1]

    states = ticks + 1
    eyes_open = _on_and_off(len(ticks), mean_on=90, mean_off=25, rng=rng)
    in_bed = np.repeat(in_bed, TICKS)
    eyes_open[in_bed] = _on_and_off(in_bed.sum(), mean_on=15, mean_off=45, rng=rng)
    states[(ticks == W) & eyes_open & (np.repeat(stages, TICKS) == W)] = 0
    for start in np.flatnonzero((ticks != W) & (rng.random(len(ticks)) < 0.006)):
        states[start : start + rng.integers(2, 6)] = 1
    return states


def _on_and_off(
    length: int, mean_on: float, mean_off: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return (length,) bool that stays on and off for exponentially distributed times."""
    pairs = int(2 * length / (mean_on + mean_off)) + 50
    lengths = 1 + rng.exponential([mean_on, mean_off], (pairs, 2)).astype(int)
    return np.resize(np.repeat(np.tile([True, False], pairs), lengths.ravel()), length)
