"""The two files of a recording, as Sleep-EDF has them."""

from __future__ import annotations

import datetime
from itertools import groupby
from pathlib import Path

import edfio
import numpy as np
from scipy.signal import butter, sosfilt

from xsleep.core.arrays import Floats
from xsleep.core.files import whole
from xsleep.core.recording import EPOCH_SECONDS
from xsleep.databases.simulated import signals
from xsleep.databases.simulated.cohort import (
    Cohort,
    generator,
    hypnogram_name,
    subject_and_night,
    traits,
)
from xsleep.databases.simulated.hypnogram import Night, simulate

RECORD_SECONDS = 30

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


def write_recording(folder: Path, recording_id: str, cohort: Cohort) -> None:
    """Write a recording's PSG and hypnogram into ``folder``.

    The bytes depend on the cohort's seed, hours and recorder and on the recording id alone.

    Raises:
        InputError: the cohort has no such recording.
    """
    subject, night_number = subject_and_night(recording_id, cohort)
    person = traits(cohort, subject)
    rng = generator(cohort, subject, night_number, "night")
    night = simulate(cohort.hours, person, rng)
    patient = edfio.Patient(
        sex=person.sex, name=f"{'Female' if person.sex == 'F' else 'Male'}_{person.age}yr"
    )
    recording = edfio.Recording(startdate=_date(subject, night_number))
    start = _clock(night, rng)
    psg = edfio.Edf(
        [
            _signal(label, *_recorded(label, data, cohort))
            for label, data in signals.synthesise(night, person, rng).items()
        ],
        patient=patient,
        recording=recording,
        starttime=start,
        data_record_duration=RECORD_SECONDS,
    )
    hypnogram = edfio.Edf(
        [], patient=patient, recording=recording, starttime=start, annotations=_annotations(night)
    )
    with whole(Path(folder) / f"{recording_id}-PSG.edf") as temporary:
        psg.write(temporary)
    with whole(Path(folder) / hypnogram_name(recording_id)) as temporary:
        hypnogram.write(temporary)


def _recorded(label: str, data: Floats, cohort: Cohort) -> tuple[Floats, str]:
    """A channel as the cohort's recorder has it, and how that filters it."""
    filters = _HEADERS[label][-1]
    if not label.startswith(("EEG", "EOG")):
        return data, filters
    if cohort.low_pass is not None:
        data = sosfilt(butter(2, cohort.low_pass, fs=_HEADERS[label][0], output="sos"), data)
        filters = f"HP:0.5Hz LP:{cohort.low_pass:g}Hz"
    return cohort.gain * data, filters


def _signal(label: str, data: Floats, filters: str) -> edfio.EdfSignal:
    """One channel, clipped to the range of the recorder's converter."""
    rate, transducer, dimension, physical, digital, _ = _HEADERS[label]
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
    """Runs of equal stages with their lengths, and the two moments of the lights."""
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


def _date(subject: int, night: int) -> datetime.date:
    """Nights of a subject follow one another; subjects come a fortnight apart."""
    return datetime.date(1989, 4, 24) + datetime.timedelta(days=14 * subject + night - 1)


def _clock(night: Night, rng: np.random.Generator) -> datetime.time:
    """When the record starts for the lights to go off at about eleven."""
    minutes = round(23 * 60 + rng.normal(0, 40) - night.lights_off / 2) % (24 * 60)
    return datetime.time(minutes // 60, minutes % 60)
