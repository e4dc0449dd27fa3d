"""Hypnograms without signals, from annotation files or text."""

import datetime
import json
import re

import edfio
import numpy as np
import pytest

from tests.helpers.recordings import prepare, write_recording
from xsleep.core.errors import InputError
from xsleep.core.files import read_csv
from xsleep.databases import READERS, open_database, source_of
from xsleep.databases.base import Entry
from xsleep.preparation.windows import in_window
from xsleep.store.recordings import RecordingData, read_index

LABELS = {"EEG": ("EEG Fpz-Cz",)}
NIGHTS = ("SC4001E0", "SC4092E0", "SC4572F0")
"""Lights off after midnight; movement and unscored hours within the night; the last ones differ."""


def source(folder, text=None, **settings):
    given = {"reader": "sleep-edf-78", "folder": folder, "labels": LABELS, "signals": False}
    return source_of(**given | settings, hypnograms=text)


def stored(folder, found, *names):
    """Each recording of a source by name, as the index has it."""
    index, _ = prepare(folder, found, ("EEG",), *names)
    return read_index(index)


def write_text(path, **runs):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(runs))
    return path


def write_annotations(folder, name, start, runs):
    """The hypnogram of a recording as PhysioNet's: EDF+ without signals."""
    annotations, onset = [], 0
    for run in runs.split():
        text = "Movement time" if run[0] == "M" else f"Sleep stage {run[0]}"
        annotations.append(edfio.EdfAnnotation(onset, 30 * int(run[1:]), text))
        onset += 30 * int(run[1:])
    folder.mkdir(exist_ok=True)
    edfio.Edf(
        [],
        annotations=annotations,
        recording=edfio.Recording(startdate=datetime.date(1989, 4, 24)),
        starttime=start,
    ).write(folder / f"{name[:7]}C-Hypnogram.edf")


def same(one, other):
    assert one.places.tolist() == other.places.tolist()
    assert one.stages.tolist() == other.stages.tolist()
    assert np.array_equal(one.onsets, other.onsets)
    assert (one.lights, one.start) == (other.lights, other.start)


def test_text_and_annotation_files_are_the_same_recordings(reference, tmp_path):
    path = reference / "sleep_edf_hypnograms.json"
    runs = json.loads(path.read_text())
    rows = {row["recording"]: row for row in read_csv(reference / "sleep_edf_recordings.csv")}
    for name in NIGHTS:
        start = datetime.time.fromisoformat(rows[name]["recording_start"])
        write_annotations(tmp_path / "edf", name, start, runs[name])
    annotated = stored(tmp_path / "a", source(tmp_path / "edf"), *NIGHTS)
    as_text = stored(tmp_path / "b", source(tmp_path / "nothing", path), *NIGHTS)
    for name in NIGHTS:
        same(annotated[name].info, as_text[name].info)
        count = int(in_window(as_text[name].info, "in-bed").sum())
        assert count == int(rows[name]["published_in_bed_epochs"])


def test_the_real_annotation_file_is_the_same_as_the_text(reference, sleep_edf_fragment, tmp_path):
    path = reference / "sleep_edf_hypnograms.json"
    annotated = stored(tmp_path / "a", source(sleep_edf_fragment), "SC4001E0")["SC4001E0"]
    as_text = stored(tmp_path / "b", source(tmp_path, path), "SC4001E0")["SC4001E0"]
    assert [*annotated.info.hashes] == ["SC4001EC-Hypnogram.edf"]
    same(annotated.info, as_text.info)


def test_epochs_and_windows_are_those_of_the_recording_with_signals(tmp_path):
    night = tmp_path / "night"
    scored = [(0, 300, "Sleep stage W"), (300, 60, "Movement time"), (360, 840, "Sleep stage 2")]
    lights = [(60, 0, "Lights off"), (900, 0, "Lights on")]
    write_recording(night, annotations=[*scored, *lights, (1200, 300, "Sleep stage ?")])
    whole = stored(tmp_path / "a", source(night, signals=True), "SC4001E0")["SC4001E0"]
    alone = stored(tmp_path / "b", source(night), "SC4001E0")["SC4001E0"]
    assert len(alone.info.places) == 38
    same(whole.info, alone.info)
    assert (whole.info.seconds, alone.info.seconds) == (1200, 1200)
    assert (alone.info.labels, alone.epochs, alone.offsets) == ({}, "", {})


def test_signals_of_a_hypnogram_alone_are_refused_in_one_line(tmp_path):
    write_recording(tmp_path / "night")
    (one,) = stored(tmp_path, source(tmp_path / "night"), "SC4001E0").values()
    with pytest.raises(InputError, match=r"index.h5: of SC4001E0 there is the hypnogram alone"):
        RecordingData(one, ("EEG",), np.arange(40))


def test_an_annotation_file_precedes_the_text(tmp_path):
    text = write_text(tmp_path / "text.json", SC4001E0="213", SC4002E0="W40")
    write_recording(tmp_path / "night", "SC4001E0")
    entries = {e.name: e.files for e in open_database(source(tmp_path / "night", text)).entries()}
    assert entries["SC4001E0"] == (tmp_path / "night/SC4001EC-Hypnogram.edf",)
    assert entries["SC4002E0"] == (text,)
    assert entries["SC4011E0"] == (tmp_path / "night/SC4011EH-Hypnogram.edf",)


def test_what_is_in_the_text_is_not_fetched_and_signals_never_are(tmp_path):
    text = write_text(tmp_path / "text.json", SC4001E0="213")
    fetch = {"url": "https://mirror.example"}
    files = open_database(source(tmp_path / "none", text, fetch=fetch)).to_fetch()
    assert len(files) == 152
    assert all(file.name.endswith("-Hypnogram.edf") for file in files)
    assert not any(file.name.startswith("SC4001") for file in files)
    with_signals = open_database(source(tmp_path / "none", text, fetch=fetch, signals=True))
    assert len(with_signals.to_fetch()) == 306


@pytest.mark.parametrize("run", ["2x", "W0", "213,", "5 3", "X3", "W-3", "W1\u0663"])
def test_a_run_that_is_none_is_one_line_and_the_others_go_on(tmp_path, run):
    text = write_text(tmp_path / "text.json", SC4001E0=f"W38 {run}", SC4002E0="W38 213")
    _, skipped = prepare(tmp_path, source(tmp_path, text), ("EEG",), "SC4001E0", "SC4002E0")
    assert [*skipped] == ["SC4001E0"]
    shown = re.escape(repr(run.split()[0]))
    assert re.fullmatch(rf".*text.json: SC4001E0: {shown} is no run; .*", skipped["SC4001E0"])


@pytest.mark.parametrize("content", ["", "W38", "[1]", '{"SC4001E0": 3}', "\xff"])
def test_text_of_another_format_is_one_line(tmp_path, content):
    path = tmp_path / "text.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=r"text.json: (not JSON|no object)[^\n]*$"):
        open_database(source(tmp_path, path)).entries()


def test_text_that_does_not_exist_is_told_where_files_are_missing(tmp_path):
    with pytest.raises(InputError, match=r"no hypnogram of this database there .*C-Hypn") as error:
        open_database(source(tmp_path, tmp_path / "none.json")).entries()
    assert str(error.value).endswith(f", or hypnograms as text into {tmp_path / 'none.json'}")
    write_recording(tmp_path)
    assert len(open_database(source(tmp_path, tmp_path / "none.json")).entries()) == 153


def test_the_text_is_of_no_store_with_signals(tmp_path):
    write_recording(tmp_path / "night")
    text = write_text(tmp_path / "text.json", SC4001E0="213")
    for given, told in ((None, "1 of 1: SC4001E0"), (text, "1 of 1: SC4001E0: stored already")):
        lines = []
        found = source(tmp_path / "night", given, signals=True)
        prepare(tmp_path, found, ("EEG",), "SC4001E0", report=lines.append)
        assert lines == [told]


def test_telemetry_has_lights_from_its_annotation_file(tmp_path):
    start = datetime.time(22, 58, 30)
    write_annotations(tmp_path, "ST7011J0", start, "?8 W10 216")
    (tmp_path / "ST7011JC-Hypnogram.edf").rename(tmp_path / "ST7011JP-Hypnogram.edf")
    found = source(tmp_path, reader="sleep-edf-st")
    (one,) = stored(tmp_path, found, "ST7011J0").values()
    assert one.info.lights == (150, 1020)
    assert one.info.places.tolist() == list(range(8, 34))


def test_other_readers_say_that_they_need_the_signals(tmp_path):
    alone = {name for name, reader in READERS.items() if reader.reads_scoring()}
    assert alone == {"sleep-edf-20", "sleep-edf-78", "sleep-edf-st", "simulated"}
    database = open_database(source_of(reader="dreams", folder=tmp_path, labels=LABELS))
    with pytest.raises(InputError, match=r"^the reader dreams needs the signals$"):
        database.read_scoring(Entry("excerpt1", "1", ()))
