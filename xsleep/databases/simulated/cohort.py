"""A simulated cohort: its settings, its recordings, and the traits of its subjects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat

from xsleep.core.arrays import Floats
from xsleep.core.settings import Settings


class Cohort(Settings):
    """A cohort to simulate.

    Attributes:
        subjects: number of subjects.
        nights: number of nights of each subject.
        hours (h): length of each recording.
        gain: factor on EEG and EOG, as of another amplifier.
        low_pass (Hz): cut-off of a low-pass filter of EEG and EOG, as of another amplifier.
        seed: seed of the cohort: other seeds give other people.
    """

    subjects: int = Field(ge=1, le=100)
    nights: int = Field(default=1, ge=1, le=9)
    hours: float = Field(ge=3, le=48)
    gain: PositiveFloat = 1
    low_pass: PositiveFloat | None = Field(default=None, lt=50)
    seed: int = Field(default=1, ge=0, le=2**63)


def recordings(cohort: Cohort) -> dict[str, tuple[int, int]]:
    """Return recording to numbers of subject and night, in order.

    As in Sleep-EDF, digits 4 and 5 are the subject and digit 6 is the night: SC4001E0 to SC4999E0.
    """
    return {
        f"SC4{subject:02d}{night}E0": (subject, night)
        for subject in range(cohort.subjects)
        for night in range(1, cohort.nights + 1)
    }


def hypnogram_name(recording: str) -> str:
    """Return the file name of a hypnogram, with the letter of the scorer as in Sleep-EDF."""
    return f"{recording[:-1]}C-Hypnogram.edf"


def generator(cohort: Cohort, subject: int, night: int, purpose: str) -> np.random.Generator:
    """Return random numbers for a purpose of a night, whoever else is in the cohort."""
    return np.random.default_rng([cohort.seed, subject, night, *purpose.encode()])


@dataclass(frozen=True)
class Traits:
    """Traits of a subject that all of its nights share. Factors are 1 in the median subject.

    Attributes:
        age: years, 25 to 95.
        fragility: factor on awakenings and arousals; grows with age.
        depth: factor on the time in N3; falls with age.
        rem: factor on the length of REM periods.
        s4: share of N3 that is scored as stage 4.
        amplitude: (3,) factor on EEG Fpz-Cz, EEG Pz-Oz and EOG.
        alpha: factor on the alpha rhythm; 0 in one of seven.
        waves: per kind of wave, a factor on its amplitude and one on its rate.
        leakage: factor on eye activity in the EEG.
        tone: chin muscle tone in wakefulness, microvolts.
        offsets: (5, 3, 5) stage, channel, band: standard normal scores of the background.
    """

    age: int
    sex: Literal["F", "M"]
    fragility: float
    depth: float
    rem: float
    s4: float
    amplitude: Floats
    alpha: float
    alpha_hz: float
    spindle_hz: float
    waves: dict[str, tuple[float, float]]
    leakage: float
    tone: float
    offsets: Floats


WAVE_KINDS = (
    "blink", "saccade", "rapid", "rolling", "theta", "alpha", "spindle",
    "k_complex", "slow", "sawtooth", "vertex", "movement", "muscle",
)  # fmt: skip

OWN_STAGE = 0.08
"""Share of the variance between subjects that differs from stage to stage."""

# How the background's bands vary together: neighbouring bands nearly do, channels mostly.
_TOGETHER = np.linalg.cholesky(
    np.kron(0.55 + 0.45 * np.eye(3), 0.9 ** np.abs(np.subtract.outer(np.arange(5), np.arange(5))))
)


def scores(rng: np.random.Generator, count: int) -> Floats:
    """Return (count, 3, 5) standard normal draws, correlated over channels and bands."""
    return (rng.standard_normal((count, 15)) @ _TOGETHER.T).reshape(count, 3, 5)


def traits(cohort: Cohort, subject: int) -> Traits:
    """Return the traits of a subject, drawn from the seed and the number alone."""
    rng = generator(cohort, subject, 0, "traits")
    age = int(rng.integers(25, 96))
    old = (age - 58) / 20
    depth = float(np.exp(-0.45 * old + 0.5 * rng.standard_normal()))
    return Traits(
        age=age,
        sex="F" if rng.choice(["F", "M"]) == "F" else "M",
        fragility=float(np.exp(0.3 * old + 0.5 * rng.standard_normal())),
        depth=depth,
        rem=float(np.exp(0.2 * rng.standard_normal())),
        s4=float(min(rng.beta(0.9, 2.2) * depth**0.5, 0.9)),
        amplitude=np.exp(0.1 * rng.standard_normal(3)),
        alpha=float((rng.random() > 1 / 7) * np.exp(0.4 * rng.standard_normal())),
        alpha_hz=float(rng.normal(9.8, 0.7)),
        spindle_hz=float(rng.normal(13.2, 0.5)),
        waves={kind: tuple(np.exp((0.25, 0.35) * rng.standard_normal(2))) for kind in WAVE_KINDS},
        leakage=float(np.exp(0.4 * rng.standard_normal())),
        tone=float(np.clip(3 * np.exp(0.25 * rng.standard_normal()), 1.5, 4.5)),
        offsets=np.sqrt(1 - OWN_STAGE) * scores(rng, 1) + np.sqrt(OWN_STAGE) * scores(rng, 5),
    )
