"""Nights of one's own, and Surrey-cEEGrid as such: hypnograms as EDF+, CSV and text; folds."""

import csv
import datetime
import os
import re
import shutil

import edfio
import numpy as np
import pytest
import yaml

from tests.helpers.recordings import ROOT, SHARED, edf_signal, existing, noise, prepare
from xsleep.config.databases import KFold
from xsleep.core import files
from xsleep.core.errors import InputError, InputWarning
from xsleep.core.stages import UNSCORED
from xsleep.databases import open_database, source_of
from xsleep.preparation.jobs import make_folds
from xsleep.results import inventory
from xsleep.store.recordings import read_index

TEXTS = ["W", "N1", "N2", "N3", "REM", "?"] * 5
EXPECTED = [0, 1, 2, 3, 4, UNSCORED] * 5
SECONDS = 30 * len(TEXTS)


def source(folder, file="{name}.csv", name="own", **changes):
    """The configuration that is delivered, with the folder and the hypnogram's file."""
    content = yaml.safe_load((ROOT / "config" / "databases" / f"{name}.yaml").read_text())["source"]
    hypnogram = content["hypnogram"] | {"file": file}
    return source_of(**content | {"folder": folder, "hypnogram": hypnogram} | changes)


def write_signals(folder, name, labels=("C4", "M1", "E1", "E2"), annotations=()):
    folder.mkdir(parents=True, exist_ok=True)
    edfio.Edf(
        [edf_signal(n, SECONDS, 128, values=noise(SECONDS, 128, i)) for i, n in enumerate(labels)],
        annotations=[edfio.EdfAnnotation(*a) for a in annotations],
    ).write(folder / f"{name}.edf")


def write_csv(path, rows, columns="onset,duration,stage"):
    path.write_text("\n".join([columns, *(",".join(map(str, row)) for row in rows)]) + "\n")


def write_recording(folder, name="s1_1"):
    write_signals(folder, name)
    write_csv(folder / f"{name}.csv", [(30 * i, 30, text) for i, text in enumerate(TEXTS)])


def read(source, channels=("EEG",)):
    database = open_database(source)
    return database.read(database.entries()[0], channels)


def annotations(duration=30):
    events = [(40.5, 4, "Arousal")]
    return [*((30.0 * i, duration, t) for i, t in enumerate(TEXTS)), *events]


def test_csv_hypnogram(tmp_path):
    write_recording(tmp_path)
    recording = read(source(tmp_path), ("EEG", "EOG"))
    assert recording.hypnogram.stages.tolist() == EXPECTED
    expected = noise(SECONDS, 128, 0) - noise(SECONDS, 128, 1)
    assert np.abs(recording.signals["EEG"].values - expected).max() < 0.02


def test_csv_hypnogram_as_xsleep_score_writes_it(tmp_path):
    write_signals(tmp_path, "s1_1")
    rows = [(i + 1, 30 * i, text, 0.9) for i, text in enumerate(TEXTS)]
    write_csv(tmp_path / "s1_1.csv", rows, "epoch,onset,stage,W")
    assert read(source(tmp_path)).hypnogram.stages.tolist() == EXPECTED


def test_csv_stretches_may_be_of_many_epochs(tmp_path):
    write_signals(tmp_path, "s1_1")
    write_csv(tmp_path / "s1_1.csv", [(60, 300, "N2"), (420, 30, "W")])
    hypnogram = read(source(tmp_path)).hypnogram
    assert hypnogram.onsets.tolist() == [60 + 30 * i for i in range(13)]
    assert hypnogram.stages.tolist() == [2] * 10 + [UNSCORED] * 2 + [0]


def test_scoring_that_goes_on_off_the_grid_keeps_every_epoch(tmp_path):
    write_signals(tmp_path, "s1_1")
    write_csv(tmp_path / "s1_1.csv", [(0, 60, "N1"), (75, 120, "N2"), (240, 60, "W")])
    hypnogram = read(source(tmp_path)).hypnogram
    scored = hypnogram.onsets[hypnogram.stages != UNSCORED]
    assert scored.tolist() == [0, 30, 75, 105, 135, 165, 240, 270]
    assert hypnogram.stages.tolist() == [1, 1, 2, 2, 2, 2, UNSCORED, UNSCORED, 0, 0]


def test_text_hypnogram_has_one_label_per_line(tmp_path):
    write_signals(tmp_path, "s1_1")
    (tmp_path / "s1_1.txt").write_text("\n".join(TEXTS) + "\n\n")
    assert read(source(tmp_path, "{name}.txt")).hypnogram.stages.tolist() == EXPECTED


@pytest.mark.parametrize("duration", [30, None])
def test_edf_plus_hypnogram_apart(tmp_path, duration):
    write_signals(tmp_path, "s1_1")
    found = [edfio.EdfAnnotation(*a) for a in annotations(duration)]
    edfio.Edf([], annotations=found).write(tmp_path / "s1_1-scored.edf")
    described = source(tmp_path, "{name}-scored.edf")
    assert [entry.name for entry in open_database(described).entries()] == ["s1_1"]
    assert read(described).hypnogram.stages.tolist() == EXPECTED


def test_edf_plus_hypnogram_in_the_recording(tmp_path):
    write_signals(tmp_path, "s1_1", annotations=annotations())
    assert read(source(tmp_path, "{name}.edf")).hypnogram.stages.tolist() == EXPECTED


@pytest.mark.parametrize("file", ["{name}.csv", "{name}.edf"])
def test_recordings_may_be_named_in_capitals(tmp_path, file):
    write_signals(tmp_path, "S1", annotations=annotations())
    (tmp_path / "S1.edf").rename(tmp_path / "S1.EDF")
    write_csv(tmp_path / "S1.csv", [(30 * i, 30, text) for i, text in enumerate(TEXTS)])
    assert read(source(tmp_path, file)).hypnogram.stages.tolist() == EXPECTED


def test_subject_is_the_beginning_of_the_name(tmp_path):
    for name in ("s1_1", "s1_2", "s2_1"):
        write_signals(tmp_path, name)
    assert [e.subject for e in open_database(source(tmp_path)).entries()] == ["s1", "s1", "s2"]
    alone = open_database(source(tmp_path, subject=None)).entries()
    assert [e.subject for e in alone] == ["s1_1", "s1_2", "s2_1"]


@pytest.mark.parametrize("subject", ["p", "[^s]*"])
def test_a_name_without_a_subject_is_one_line_and_the_others_go_on(tmp_path, subject):
    """A pattern that matches nothing would make all recordings those of one subject."""
    write_recording(tmp_path, "s1_1")
    write_recording(tmp_path, "p1_1")
    described = source(tmp_path, subject=subject)
    _, skipped = prepare(tmp_path / "store", described, ["EEG"], "p1_1", "s1_1")
    assert list(skipped) == ["s1_1"]
    line = f"s1_1.edf: its name does not begin with a subject, which is {subject!r}; correct"
    assert line in skipped["s1_1"]


def test_surrey_ceegrid_is_a_folder_of_this_kind(tmp_path):
    write_signals(tmp_path, "01", labels=("cEEGrid",))
    write_csv(tmp_path / "01.csv", [(30 * i, 30, text) for i, text in enumerate(TEXTS)])
    recording = read(source(tmp_path, name="Surrey-cEEGrid"))
    assert recording.hypnogram.stages.tolist() == EXPECTED
    assert recording.subject == "01"


def test_folds_and_recordings_are_made_and_a_bad_recording_is_skipped(tmp_path):
    folder = tmp_path / "nights"
    for subject in range(4):
        write_recording(folder, f"s{subject}_1")
    (folder / "s3_1.csv").write_text("stage\nW\n")
    described = source(folder)
    names = [entry.name for entry in open_database(described).entries()]
    index, skipped = prepare(tmp_path, described, ("EEG",), *names)
    assert list(skipped) == ["s3_1"]
    folds, recordings = tmp_path / "folds.csv", tmp_path / "recordings.csv"
    nights = [stored.info for stored in read_index(index).values()]
    table = inventory.recordings("own", described, ["whole-night"], nights)
    assert table["skipped"].tolist()[:3] == [""] * 3
    assert "s3_1.csv: no column onset" in table["skipped"][3]
    files.write_csv(recordings, table)
    settings = KFold(folds=3, validation=1, training_subset=1)
    make_folds("own", settings, recordings, folds)
    with folds.open() as file:
        tested = sorted(r["recording"] for r in csv.DictReader(file) if r["role"] == "test")
    assert tested == ["s0_1", "s1_1", "s2_1"]


# Exports of clinical software: headings, times of day, a line of units, other events.

EXPORTED = {
    "file": "{name}.csv",
    "columns": {"onset": "Heure de début", "duration": "Durée", "stage": "Événement"},
    "clock": True,
    "stages": {"Éveil": "W", "N1": "N1", "N2": "N2", "N3": "N3", "REM": "REM"},
    "ignored": "all others",
}


def exported(folder, **changes):
    return source(folder, hypnogram=EXPORTED | changes)


def write_started(folder, seconds, date=(2001, 1, 1), clock=(23, 45, 40)):
    signal = edf_signal("C4-M1", seconds)
    header = edfio.Recording(startdate=date and datetime.date(*date))
    edfio.Edf([signal], recording=header, starttime=datetime.time(*clock)).write(folder / "s1.edf")


def test_a_nights_events_as_clinical_software_exports_them(tmp_path):
    events = existing(SHARED / "data" / "noxturnal") / "events.csv"
    shutil.copy(events, tmp_path / "s1.csv")
    write_started(tmp_path, 25460)
    hypnogram = read(exported(tmp_path)).hypnogram
    assert hypnogram.onsets.tolist() == [20 + 30 * i for i in range(848)]
    assert np.bincount(hypnogram.stages).tolist() == [169, 38, 354, 141, 146]
    assert hypnogram.stages[-1] == 0


@pytest.mark.parametrize("date", [(2001, 1, 1), None])
@pytest.mark.parametrize(
    "onsets",
    [
        ["01/01/2001 23:59:30", "02/01/2001 00:00:00", "02/01/2001 00:00:30"],
        ["01/01/2001 11:59:30 PM", "01/02/2001 12:00:00 AM", "01/02/2001 12:00:30 AM"],
        ["2001-01-01T23:59:30.000", "2001-01-02T00:00:00.000", "2001-01-02T00:00:30.000"],
        ["1.1.01 23:59:30", "2.1.01 0:00:00", "2.1.01 0:00:30"],
        ["23:59:30", "00:00:00", "00:00:30"],
        ["23:59:30,0", "00:00:00,0", "00:00:30,0"],
    ],
)
def test_times_of_day_count_from_the_start_of_the_recording(tmp_path, onsets, date):
    write_started(tmp_path, 960, date)
    stages = ["Éveil", "N1", "REM"]
    lines = ["Heure de début;Événement", *(f"{o};{s}" for o, s in zip(onsets, stages, strict=True))]
    (tmp_path / "s1.csv").write_text("\n".join(lines), encoding="utf-16")
    hypnogram = read(exported(tmp_path)).hypnogram
    assert hypnogram.onsets.tolist() == [830, 860, 890]
    assert hypnogram.stages.tolist() == [0, 1, 4]


@pytest.mark.parametrize(
    ("onset", "expected"),
    [
        ("30", "line 2: onset '30' is not a time of day"),
        ("31/13/2001 23:46:00", "are not the dates of one night"),
        ("03/01/2001 23:46:00", "begins 48:00:20 after the start of the recording"),
        ("01/01/2001 11:00:00", "begins 12:45:40 before the start of the recording"),
    ],
)
def test_a_time_that_is_not_of_the_recording_is_one_line(tmp_path, onset, expected):
    write_started(tmp_path, 960)
    (tmp_path / "s1.csv").write_text(f"Heure de début,Événement\n{onset},N1\n")
    with pytest.raises(InputError, match=expected):
        read(exported(tmp_path))


def test_a_heading_that_is_not_there_is_one_line(tmp_path):
    write_started(tmp_path, 960)
    write_csv(tmp_path / "s1.csv", [(0, 30, "N1")])
    with pytest.raises(InputError, match="no column Heure de début and Événement; it has 'onset'"):
        read(exported(tmp_path))


# What can be wrong with a hypnogram: one line that names the file, the value and what to do.


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(0, 30, "N4")], "line 2: 'N4' is not among 'W', 'N1', .*add it to stages or ignored"),
        ([(0, -30, "N2")], "line 2: duration '-30' is not a number of seconds from 0"),
        ([(0, 30, "W"), ("x", 30, "W")], "line 3: onset 'x' is not a number of seconds from 0"),
        ([(0, 30, "W"), ("nan", 30, "W")], "line 3: onset 'nan' is not a number"),
        (
            [(0, 60, "W"), (30, 30, "N2")],
            "the stage at 30 s begins before 60 s, where the one before it",
        ),
        (
            [(60, 30, "W"), (0, 30, "N2"), (30, 30, "N2")],
            "the stage at 0 s begins before 90 s, .*put the stages in order",
        ),
        ([(0, 45, "W"), (60, 30, "N2")], "the stage at 0 s lasts 45 s; epochs here are of 30 s"),
        ([(0, 3000, "W")], "ends at 0:50:00, the signal at 0:15:00; check that they belong"),
        ([], "no epoch with a stage in it"),
        ([(0, 20, "W")], "no epoch with a stage in it"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*whole epochs count")
def test_wrong_csv_is_one_line(tmp_path, rows, expected):
    write_signals(tmp_path, "s1_1")
    write_csv(tmp_path / "s1_1.csv", rows)
    with pytest.raises(InputError, match=f"s1_1.csv: {expected}") as error:
        read(source(tmp_path))
    assert "\n" not in str(error.value)


def test_text_of_another_length_than_the_signal_is_one_line(tmp_path):
    write_signals(tmp_path, "s1_1")
    (tmp_path / "s1_1.txt").write_text("W\n" * 20)
    with pytest.raises(InputError, match=r"s1_1.txt: 20 lines are 600 s, the signal 900 s; check"):
        read(source(tmp_path, "{name}.txt"))


def test_missing_hypnogram_and_empty_folder_are_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no recording there \(a.edf, b.bdf, \.\.\.\)"):
        open_database(source(tmp_path)).entries()
    write_signals(tmp_path, "s1_1")
    with pytest.raises(InputError, match=r"s1_1.csv: no such file; put it there"):
        read(source(tmp_path))


@pytest.mark.parametrize("name", [b"M\xfcller", b"new\nline", b"n" * 240])
def test_a_name_that_cannot_be_used_is_one_line_and_the_others_go_on(tmp_path, name):
    write_recording(tmp_path, "s1_1")
    for suffix in (b".edf", b".csv"):
        source_path = os.fsencode(tmp_path / "s1_1") + suffix
        shutil.copy(source_path, os.path.join(os.fsencode(tmp_path), name + suffix))
    described = source(tmp_path, subject=None)
    names = [entry.name for entry in open_database(described).entries()]
    assert all(one.isprintable() for one in names)
    _, skipped = prepare(tmp_path / "store", described, ["EEG"], *names)
    assert set(skipped) == set(names) - {"s1_1"}
    assert all(re.search("; rename the file$", reason) for reason in skipped.values())


@pytest.mark.parametrize("onset", [-3e10, -1e8])
def test_a_stage_long_before_the_recording_is_one_line(tmp_path, onset):
    marks = [(onset, 30, "W"), *annotations()]
    write_signals(tmp_path, "s1_1", annotations=marks)
    with pytest.raises(InputError, match="begins more than a day before the recording; correct it"):
        read(source(tmp_path, "{name}.edf"))


def test_a_bdf_beside_an_edf_of_one_name_is_passed_over_if_it_is_the_same(tmp_path):
    write_recording(tmp_path)
    shutil.copy(tmp_path / "s1_1.edf", tmp_path / "s1_1.bdf")
    with pytest.warns(InputWarning, match="passed over, as it is the same as s1_1"):
        read(source(tmp_path))
    (tmp_path / "s1_1.edf").write_bytes((tmp_path / "s1_1.bdf").read_bytes() + b"x")
    with pytest.raises(InputError, match=r"s1_1.bdf has the same name and other content"):
        read(source(tmp_path))
    (tmp_path / "s1_1.edf").unlink()
    (tmp_path / "s1_1.edf").symlink_to(tmp_path / "none")
    with pytest.warns(InputWarning, match="s1_1.edf: passed over, as it is no file"):
        read(source(tmp_path))


def test_marks_without_a_duration_that_are_apart_are_refused(tmp_path):
    write_signals(tmp_path, "s1_1", annotations=[(0, None, "W"), (300, None, "N2")])
    with pytest.raises(InputError, match="at 0 s has no duration, and the next comes at 300 s"):
        read(source(tmp_path, "{name}.edf"))
