"""Sleep-EDF, cassette study (PhysioNet sleep-edfx): SleepEDF-20 and SleepEDF-78.

A night is ``SC4ssNe0-PSG.edf`` and ``SC4ssNex-Hypnogram.edf`` (ss: subject, N: night, e: E, F or
G, x: scorer). Stages are annotations ("Sleep stage 2"), lasting a multiple of 30 s.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from xsleep.databases import edf
from xsleep.databases.base import Entry
from xsleep.errors import InputError
from xsleep.recording import Hypnogram, Recording
from xsleep.stages import RK_STAGES, UNSCORED, label
from xsleep.store import EPOCH_SECONDS

STAGE_TEXTS = {f"Sleep stage {text}": stage for text, stage in RK_STAGES.items()}
UNSCORED_TEXTS = {"Sleep stage ?", "Movement time"}
LIGHTS_OFF, LIGHTS_ON = "Lights off", "Lights on"
"""Standard EDF+ texts. PhysioNet's hypnograms do not have them; the simulated ones do."""


class SleepEdf:
    """The cassette nights in ``folder``.

    Args:
        folder: where the EDF files are.
        channels: for each of EEG and EOG, the labels to try in turn.
        nights: the recordings of the database; one that is not in the folder is listed all
            the same, so that it is named as missing.
    """

    def __init__(
        self,
        folder: Path,
        channels: Mapping[str, Sequence[str]],
        nights: Sequence[str],
    ) -> None:
        self.folder = folder
        self.channels = channels
        self.nights = nights

    def entries(self) -> list[Entry]:
        hypnograms = {path.name[:6]: path for path in self.folder.glob("SC4*-Hypnogram.edf")}
        present = {path.name[:8] for path in self.folder.glob("SC4*-PSG.edf")}
        if not present.intersection(self.nights):
            raise InputError(
                f"{self.folder}: no recording of this database there (SC4001E0-PSG.edf, ...); put "
                "the files there or set the database's folder in the configuration"
            )
        return [
            Entry(
                name,
                name[3:5],
                (
                    self.folder / f"{name}-PSG.edf",
                    hypnograms.get(name[:6], self.folder / f"{name[:7]}C-Hypnogram.edf"),
                ),
            )
            for name in self.nights
        ]

    def read(self, entry: Entry, channels: Sequence[str]) -> Recording:
        psg, hypnogram_path = entry.files
        file = edf.open_edf(psg)
        annotations = edf.read_annotations(hypnogram_path)
        hypnogram = read_hypnogram(hypnogram_path, annotations, edf.duration(file))
        start = edf.start_time(psg, file)
        lights = _annotated_lights(hypnogram_path, annotations) or _published_lights(
            entry.name, start
        )
        signals = edf.read_channels(psg, file, self.channels, channels)
        midnight = datetime.combine(start.date(), time())
        return Recording(
            *(entry.name, entry.subject, signals, hypnogram, lights, entry.files),
            start=(start - midnight).total_seconds(),
        )


def read_hypnogram(
    path: Path, annotations: Sequence[tuple[float, float, str]], seconds: float
) -> Hypnogram:
    """The 30-s epochs of a night whose signal lasts ``seconds``.

    Unscored annotations may run past the signal, as the real ones do. Scored ones may not,
    and the annotations must reach the end of the signal.
    """
    stages = np.full(int(seconds // EPOCH_SECONDS), UNSCORED, "i1")
    end = 0.0
    for onset, length, text in annotations:
        if text in (LIGHTS_OFF, LIGHTS_ON):
            continue
        if text not in STAGE_TEXTS and text not in UNSCORED_TEXTS:
            raise InputError(
                f"{path}: unknown annotation {text!r} at {edf.as_clock(onset)}; expected 'Sleep "
                "stage W, 1, 2, 3, 4, R or ?' or 'Movement time', correct it"
            )
        if onset % EPOCH_SECONDS or length % EPOCH_SECONDS:
            raise InputError(
                f"{path}: {text!r} at {onset:g} s lasts {length:g} s; both must be multiples of "
                f"{EPOCH_SECONDS} s, correct it"
            )
        end = max(end, onset + length)
        if text in UNSCORED_TEXTS:
            continue
        if onset + length >= seconds + EPOCH_SECONDS:
            raise InputError(
                f"{path}: {text!r} runs to {edf.as_clock(onset + length)}, past the end of the "
                f"signal at {edf.as_clock(seconds)}; check that hypnogram and PSG belong together"
            )
        first = int(onset) // EPOCH_SECONDS
        stages[first : first + int(length) // EPOCH_SECONDS] = label(STAGE_TEXTS[text])
    if end <= seconds - EPOCH_SECONDS:
        raise InputError(
            f"{path}: ends at {edf.as_clock(end)}, the signal at {edf.as_clock(seconds)}; check "
            "that they belong together, or annotate the rest as 'Sleep stage ?'"
        )
    return Hypnogram(np.arange(len(stages)) * float(EPOCH_SECONDS), stages)


def _annotated_lights(
    path: Path, annotations: Sequence[tuple[float, float, str]]
) -> tuple[float, float] | None:
    off = [onset for onset, _, text in annotations if text == LIGHTS_OFF]
    on = [onset for onset, _, text in annotations if text == LIGHTS_ON]
    if not off and not on:
        return None
    if len(off) != 1 or len(on) != 1 or off[0] >= on[0]:
        raise InputError(
            f"{path}: lights off at {off} s and on at {on} s; annotate each once, off before on"
        )
    return off[0], on[0]


def _published_lights(name: str, start: datetime) -> tuple[float, float] | None:
    """Clock times to seconds from the start; the night runs over midnight."""
    if name not in lights_table():
        return None
    off, on = (_after(start, clock) for clock in lights_table()[name])
    return off, on if on > off else on + timedelta(days=1).total_seconds()


def _after(start: datetime, clock: str) -> float:
    moment = datetime.combine(start.date(), time.fromisoformat(clock))
    return ((moment - start) % timedelta(days=1)).total_seconds()


@cache
def lights_table() -> dict[str, tuple[str, str]]:
    """Clock times of lights off and on of the 153 cassette nights, as the authors used them."""
    with files("xsleep.databases").joinpath("sleep_edf_lights.csv").open() as file:
        return {
            row["recording"]: (row["lights_off"], row["lights_on"]) for row in csv.DictReader(file)
        }


def cassette_nights(subjects: int | None = None) -> list[str]:
    """The nights of subject numbers below ``subjects`` (20: SleepEDF-20), or all 153."""
    return sorted(n for n in lights_table() if subjects is None or int(n[3:5]) < subjects)
