"""Who is in a simulated cohort: names of recordings, and what makes a subject himself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from xsleep.core.arrays import Floats
from xsleep.core.errors import InputError

MAX_SUBJECTS = 100
MAX_NIGHTS = 9
MIN_HOURS = 3
MAX_HOURS = 48
SCORER = "C"


@dataclass(frozen=True)
class Cohort:
    """A cohort to simulate.

    Attributes:
        subjects: how many, at most 100 (Sleep-EDF has two digits for them).
        nights: per subject, at most 9 (one digit).
        hours: length of each record, 3 to 48.
        seed: another seed, other people.
        gain, low_pass: another recorder: a factor on EEG and EOG, and the hertz above which it
            damps them; ``None`` where it does not.

    Raises:
        InputError: a value is out of range.
    """

    subjects: int
    nights: int
    hours: float
    seed: int
    gain: float = 1
    low_pass: float | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("subjects", 1, MAX_SUBJECTS),
            ("nights", 1, MAX_NIGHTS),
            ("hours", MIN_HOURS, MAX_HOURS),
            ("seed", 0, 2**63),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"simulated cohort: {name} is {value}, must be {low} to {high}")


def recording_ids(cohort: Cohort) -> list[tuple[str, str]]:
    """(recording, subject) of every night, such as ``("SC4001E0", "00")``, in order.

    As in Sleep-EDF, digits 4 and 5 are the subject and digit 6 is the night, so ids
    extend from SC4001E0 to SC4999E0: 100 subjects of 9 nights.
    """
    return [
        (f"SC4{subject:02d}{night}E0", f"{subject:02d}")
        for subject in range(cohort.subjects)
        for night in range(1, cohort.nights + 1)
    ]


def subject_and_night(recording_id: str, cohort: Cohort) -> tuple[int, int]:
    """The two numbers within a recording id.

    Raises:
        InputError: the cohort has no such recording.
    """
    digits = re.fullmatch(r"SC4(\d\d)([1-9])E0", recording_id)
    if not digits or int(digits[1]) >= cohort.subjects or int(digits[2]) > cohort.nights:
        last_subject, last_night = cohort.subjects - 1, cohort.nights
        raise InputError(
            f"{recording_id}: not in the simulated cohort, whose recordings are SC4ssNE0 with "
            f"ss from 00 to {last_subject:02d} and N from 1 to {last_night}"
        )
    return int(digits[1]), int(digits[2])


def hypnogram_name(recording_id: str) -> str:
    """File name of a recording's hypnogram; its last letter is the scorer, as in Sleep-EDF."""
    return f"{recording_id[:-1]}{SCORER}-Hypnogram.edf"


def generator(cohort: Cohort, subject: int, night: int, purpose: str) -> np.random.Generator:
    """Random numbers of one purpose of one night, whoever else is in the cohort."""
    return np.random.default_rng([cohort.seed, subject, night, *purpose.encode()])


@dataclass(frozen=True)
class Traits:
    """Traits of a subject that all of its nights share. Factors are 1 in the median subject.

    Attributes:
        age: years, 25 to 95.
        sex: ``F`` or ``M``.
        fragility: factor on awakenings and arousals; grows with age.
        depth: factor on the time in N3; falls with age.
        rem: factor on the length of REM periods.
        s4: share of N3 that is scored as stage 4.
        amplitude: (3,) factor on EEG Fpz-Cz, EEG Pz-Oz and EOG.
        alpha: factor on the alpha rhythm; 0 in one of seven.
        alpha_hz, spindle_hz: frequencies in hertz.
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
    """(count, 3, 5) standard normal, correlated over channels and bands."""
    return (rng.standard_normal((count, 15)) @ _TOGETHER.T).reshape(count, 3, 5)


def traits(cohort: Cohort, subject: int) -> Traits:
    """The traits of a subject, drawn from the seed and his number alone."""
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
