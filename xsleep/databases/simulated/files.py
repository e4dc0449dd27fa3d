"""PSG and hypnogram of a simulated recording, as files of Sleep-EDF."""

from __future__ import annotations

import datetime
from functools import partial
from itertools import groupby
from pathlib import Path

import edfio
import numpy as np
from scipy.signal import butter, sosfilt

from xsleep.core.arrays import Floats
from xsleep.core.errors import InputError
from xsleep.core.files import whole
from xsleep.core.recording import EPOCH_SECONDS
from xsleep.databases.simulated import cohort as cohorts
from xsleep.databases.simulated import signals
from xsleep.databases.simulated.hypnogram import Night, simulate

TEXTS = {letter: f"Sleep stage {letter}" for letter in "W1234R?"} | {"M": "Movement time"}

# Per channel: rate, transducer, dimension, physical range, digital range, filters.
_BW = "HP:0.5Hz LP:100Hz [enhanced cassette BW]"
_HEADERS = {
    "EEG Fpz-Cz": (100, "Ag-AgCl electrodes", "uV", (-192, 192), (-2048, 2047), _BW),
    "EEG Pz-Oz": (100, "Ag-AgCl electrodes", "uV", (-197, 196), (-2048, 2047), _BW),
    "EOG horizontal": (100, "Ag-AgCl electrodes", "uV", (-1009, 1009), (-2048, 2047), _BW),
    "Resp oro-nasal": (
        1, "Oral-nasal thermistors", "", (-2048, 2047), (-2048, 2047), "HP:0.03Hz LP:0.9Hz",
    ),
    "EMG submental": (
        1, "Ag-AgCl electrodes", "uV", (-5, 5), (-2500, 2500), "HP:16Hz Rectification LP:0.7Hz",
    ),
    "Temp rectal": (1, "Rectal thermistor", "DegC", (34, 40), (-2849, 2731), ""),
    "Event marker": (1, "Marker button", "", (-2047, 2048), (-2047, 2048), "Hold during 2 seconds"),
}  # fmt: skip


def write_recording(folder: Path, name: str, cohort: cohorts.Cohort) -> None:
    """Write the PSG and the hypnogram of a recording into ``folder``.

    The bytes depend on the cohort's seed, hours and recorder and on the name alone.

    Raises:
        InputError: the cohort has no such recording.
    """
    if name not in (known := cohorts.recordings(cohort)):
        raise InputError(
            f"{name}: not in the simulated cohort, whose recordings are SC4ssNE0 with ss from 00 "
            f"to {cohort.subjects - 1:02d} and N from 1 to {cohort.nights}"
        )
    subject, number = known[name]
    person = cohorts.traits(cohort, subject)
    rng = cohorts.generator(cohort, subject, number, "night")
    night = simulate(cohort.hours, person, rng)
    # Nights of a subject follow one another; subjects come a fortnight apart.
    date = datetime.date(1989, 4, 24) + datetime.timedelta(days=14 * subject + number - 1)
    file = partial(
        edfio.Edf,
        patient=edfio.Patient(
            sex=person.sex, name=f"{'Female' if person.sex == 'F' else 'Male'}_{person.age}yr"
        ),
        recording=edfio.Recording(startdate=date),
        starttime=_start(night, rng),
    )
    made = signals.synthesise(night, person, rng)
    channels = [_signal(label, data, cohort) for label, data in made.items()]
    with whole(folder / f"{name}-PSG.edf") as temporary:
        file(channels, data_record_duration=30).write(temporary)
    with whole(folder / cohorts.hypnogram_name(name)) as temporary:
        file([], annotations=_annotations(night)).write(temporary)


def _signal(label: str, data: Floats, cohort: cohorts.Cohort) -> edfio.EdfSignal:
    """Return a channel as the cohort's recorder has it, clipped to the range of its converter."""
    rate, transducer, dimension, physical, digital, filters = _HEADERS[label]
    if label.startswith(("EEG", "EOG")):
        if cohort.low_pass is not None:
            data = sosfilt(butter(2, cohort.low_pass, fs=rate, output="sos"), data)
            filters = f"HP:0.5Hz LP:{cohort.low_pass:g}Hz"
        data = cohort.gain * data
    per_step = (physical[1] - physical[0]) / (digital[1] - digital[0])
    steps = np.rint((data - physical[0]) / per_step) + digital[0]
    return edfio.EdfSignal.from_digital(
        steps.clip(*digital).astype("i2"),
        rate,
        label=label,
        transducer_type=transducer,
        physical_dimension=dimension,
        physical_range=physical,
        digital_range=digital,
        prefiltering=filters,
    )


def _annotations(night: Night) -> list[edfio.EdfAnnotation]:
    """Return runs of equal stages with their durations, and lights off and on."""
    lights = {night.lights_off: "Lights off", night.lights_on: "Lights on"}
    found = [
        edfio.EdfAnnotation(epoch * EPOCH_SECONDS, None, text) for epoch, text in lights.items()
    ]
    start = 0
    for letter, run in groupby(night.scored):
        length = len(list(run)) * EPOCH_SECONDS
        found.append(edfio.EdfAnnotation(start, length, TEXTS[str(letter)]))
        start += length
    return sorted(found, key=lambda annotation: annotation.onset)


def _start(night: Night, rng: np.random.Generator) -> datetime.time:
    """Return the clock time of the start with which the lights go off at about eleven."""
    minutes = round(23 * 60 + rng.normal(0, 40) - night.lights_off / 2) % (24 * 60)
    return datetime.time(minutes // 60, minutes % 60)
