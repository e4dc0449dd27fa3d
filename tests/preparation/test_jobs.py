"""Files in, files out: what is stored of a recording, and which recordings are skipped."""

import csv
import hashlib
import os
import re
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.helpers.recordings import edf_signal, prepare, write_excerpts, write_recording
from tests.helpers.rounding import SINGLE
from xsleep.config.databases import KFold
from xsleep.config.network import Filtering, NetworkSettings
from xsleep.core.errors import InputError
from xsleep.core.files import sha256, write_csv
from xsleep.databases import source_of
from xsleep.databases.sleep_edf import SleepEdf
from xsleep.preparation import jobs
from xsleep.preparation.jobs import make_index
from xsleep.preparation.spectrogram import spectrogram
from xsleep.results import inventory
from xsleep.store.recordings import FORMAT_VERSION, read_index, read_info, read_signals
from xsleep.training.parts import load_part
from xsleep.training.sequences import read

LABELS = {"EEG": ("EEG Fpz-Cz",), "EOG": ("EOG horizontal",)}
SCORED = [(0, 900, "Sleep stage 2"), (900, 300, "Sleep stage W")]


def source(folder):
    return source_of(reader="sleep-edf-20", folder=folder, labels=LABELS)


def stored_recording(folder, channels=("EEG", "EOG"), **filtering):
    """The night of ``write_recording`` in the store."""
    given = folder, source(folder), channels, "SC4001E0"
    index, skipped = prepare(*given, **filtering)
    assert not skipped
    return read_index(index)["SC4001E0"]


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def make_folds(folder, names, windows):
    """The folds of these recordings, and their rows in recordings.csv."""
    index, _ = prepare(folder, source(folder), ("EEG", "EOG"), *names)
    recordings, folds = folder / "recordings.csv", folder / "folds.csv"
    write_recordings(recordings, source(folder), windows, index)
    settings = KFold(folds=2, validation=1, training_subset=1)
    jobs.make_folds("X", settings, recordings, folds)
    return rows(folds), rows(recordings)


def write_recordings(path, source, windows, index):
    infos = [stored.info for stored in read_index(index).values()]
    write_csv(path, inventory.recordings("X", source, windows, infos))


def test_a_stored_recording_tells_what_it_was_read_from(tmp_path):
    write_recording(tmp_path)
    stored = stored_recording(tmp_path)
    files = [tmp_path / f"SC4001E{end}.edf" for end in ("0-PSG", "C-Hypnogram")]
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    info = read_info(stored.epochs)
    assert info.hashes == hashes
    assert (info.recording, info.subject, len(info.stages)) == ("SC4001E0", "00", 40)


@pytest.mark.parametrize(
    ("ours", "other"),
    [
        ({"raw_filter": "none"}, {}),
        ({}, {"raw_filter": "none"}),
        ({}, {"raw_filter": {"EMG": "high-pass-and-notches"}}),
        ({"filter_rate": "recorded"}, {}),
    ],
)
def test_a_stored_recording_tells_its_filter_and_no_other_network_reads_it(tmp_path, ours, other):
    write_recording(tmp_path)
    one = stored_recording(tmp_path, ["EEG"], filtering=Filtering(**ours))
    with h5py.File(one.epochs) as file:
        name = file.attrs["raw_filter"]
    assert name == NetworkSettings(**ours).filter_name
    stored = (one, "whole-night", ("EEG",))
    assert len(load_part(*stored, NetworkSettings(**ours))) == 40
    network = NetworkSettings(**other)
    line = f"h5: filtered by {name}, what the network reads by {network.filter_name}; take"
    with pytest.raises(InputError, match=re.escape(line)):
        load_part(*stored, network)


def test_signals_that_are_not_filtered_are_the_same_at_either_rate():
    names = {
        Filtering(raw_filter="none", filter_rate=r).filter_name for r in ("recorded", "resampled")
    }
    assert names == {"none"}


NIGHTS = ("SC4001E0", "SC4011E0", "SC4021E0")
SECOND_PSG = f"{NIGHTS[1]}-PSG.edf"
SECOND_STORED = [f"store/{kind}/{NIGHTS[1]}.h5" for kind in ("epochs", "spectrograms")]


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def batch(folder, changed=(), channels=("EEG",), **filtering):
    """The recordings that this batch of three makes with the source changed; the rest is stored."""
    lines = []
    given = source(folder).model_copy(update=dict(changed))
    index, _ = prepare(
        *(folder / "store", given, channels, *NIGHTS), report=lines.append, **filtering
    )
    assert list(read_index(index)) == list(NIGHTS)
    assert [line[:16] for line in lines] == [f"{n} of 3: {NIGHTS[n - 1]}" for n in (1, 2, 3)]
    return [name for name, line in zip(NIGHTS, lines, strict=True) if "stored already" not in line]


@pytest.fixture
def three_nights(tmp_path):
    for name in NIGHTS:
        write_recording(tmp_path, name)
    assert batch(tmp_path) == list(NIGHTS)
    return tmp_path


@pytest.mark.parametrize(
    ("change", "path"),
    [
        *product([Path.unlink, lambda path: os.truncate(path, 9000)], SECOND_STORED),
        (flip_a_bit, SECOND_STORED[0]),
    ],
)
def test_a_batch_makes_what_was_lost_or_damaged_anew_and_nothing_else(three_nights, change, path):
    change(three_nights / path)
    assert batch(three_nights) == [NIGHTS[1]]
    assert batch(three_nights) == []


def test_a_batch_makes_a_recording_that_changed_anew_and_nothing_else(three_nights):
    flip_a_bit(three_nights / SECOND_PSG)
    os.utime(three_nights / f"{NIGHTS[2]}-PSG.edf")
    assert batch(three_nights) == [NIGHTS[1]]
    info = read_info(three_nights / SECOND_STORED[0])
    assert info.hashes[SECOND_PSG] == sha256(three_nights / SECOND_PSG)


@pytest.mark.parametrize(
    "changed",
    [
        {"channels": ("EEG", "EOG")},
        {"filtering": Filtering(raw_filter="none")},
        {"filtering": Filtering(filter_rate="recorded")},
        {"changed": {"labels": LABELS | {"EEG": ("EEG C4", "EEG Fpz-Cz")}}},
        {"changed": {"reader": "sleep-edf-78"}},
    ],
)
def test_a_batch_with_other_settings_makes_all_anew(three_nights, changed):
    assert batch(three_nights, **changed) == list(NIGHTS)
    assert batch(three_nights, **changed) == []


def test_a_batch_of_another_version_of_the_store_makes_all_anew(three_nights, monkeypatch):
    monkeypatch.setattr(jobs, "FORMAT_VERSION", FORMAT_VERSION + 1)
    assert batch(three_nights) == list(NIGHTS)


def test_a_batch_of_another_version_of_its_reader_makes_all_anew(three_nights, monkeypatch):
    monkeypatch.setattr(SleepEdf, "version", 2)
    assert batch(three_nights) == list(NIGHTS)
    assert batch(three_nights) == []


def test_a_batch_whose_share_vanishes_ends_without_skipping_and_goes_on(tmp_path):
    share = write_excerpts(tmp_path / "share", 1, 1, 1)
    (link := tmp_path / "recordings").symlink_to(share)
    source = source_of(reader="dreams", folder=link, labels={"EEG": ["C3-A1"]})
    names, told = ("excerpt1", "excerpt2", "excerpt3"), []

    def vanishing(line):
        if line.startswith("2 of 3"):
            share.rename(tmp_path / "away")

    line = rf"{link}/.*excerpt2.*: cannot be read any more \(.*No such file.*; see that its disk"
    with pytest.raises(InputError, match=line):
        prepare(tmp_path, source, ["EEG"], *names, report=vanishing)
    assert not (tmp_path / "index.h5").exists()
    (tmp_path / "away").rename(share)
    assert prepare(tmp_path, source, ["EEG"], *names, report=told.append)[1] == {}
    assert told == ["1 of 3: excerpt1: stored already", "2 of 3: excerpt2", "3 of 3: excerpt3"]


def test_a_batch_goes_on_where_it_was_ended(tmp_path):
    for name in NIGHTS:
        write_recording(tmp_path, name)

    def ended(line):
        if line.startswith("2 of 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path / "store", source(tmp_path), ["EEG"], *NIGHTS, report=ended)
    assert not (tmp_path / "store/index.h5").exists()
    assert batch(tmp_path) == list(NIGHTS[1:])


def test_a_recording_that_cannot_be_used_is_told_each_time_and_the_others_go_on(three_nights):
    (three_nights / SECOND_PSG).unlink()
    for _ in range(2):
        lines = []
        index, skipped = prepare(
            *(three_nights / "store", source(three_nights), ["EEG"], *NIGHTS), report=lines.append
        )
        (reason,) = skipped.values()
        assert list(skipped) == [NIGHTS[1]] and f"{SECOND_PSG}: no such file" in reason
        assert lines[1:3] == [f"2 of 3: {NIGHTS[1]}", f"skipped: {reason}"]
        infos = [stored.info for stored in read_index(index).values()]
        assert [len(info.stages) for info in infos] == [40, 0, 40]


def test_the_index_of_a_database_is_that_of_its_batches(three_nights):
    whole = three_nights / "store/index.h5"
    expected = whole.read_bytes()
    parts = []
    for names in (NIGHTS[:2], NIGHTS[2:]):
        prepare(three_nights / "store", source(three_nights), ["EEG"], *names)
        parts.append(whole.rename(three_nights / f"{names[0]}.h5"))
    make_index(parts, whole)
    assert whole.read_bytes() == expected


def test_spectrograms_are_those_of_the_stored_epochs(tmp_path):
    write_recording(tmp_path)
    stored = stored_recording(tmp_path)
    with h5py.File(stored.spectrograms) as file:
        assert file.attrs["source"] == sha256(stored.epochs)
        for channel, values in read_signals(stored.epochs).items():
            assert np.array_equal(file["spectrograms"][channel], spectrogram(values))


def test_fewer_than_20_usable_epochs_is_a_reason_to_skip(tmp_path):
    write_recording(tmp_path, annotations=[(0, 570, "Sleep stage 2"), (570, 630, "Sleep stage ?")])
    index, skipped = prepare(tmp_path, source(tmp_path), ["EEG"], "SC4001E0")
    reason = skipped["SC4001E0"]
    assert reason.startswith(f"{tmp_path}/SC4001E0-PSG.edf: 19 scored epochs; at least 20 are")
    info = read_index(index)["SC4001E0"].info
    assert info.skipped == reason and len(info.stages) == 0


def test_a_window_with_too_few_epochs_is_a_reason_to_skip(tmp_path):
    long, short = (0, 1140), (0, 300)
    names = ["SC4001E0", "SC4011E0", "SC4021E0", "SC4031E0", "SC4041E0"]
    for name, (off, on) in zip(names, [long, short, long, long, long], strict=True):
        lights = [(off, 0, "Lights off"), (on, 0, "Lights on")]
        write_recording(tmp_path, name, annotations=[*SCORED, *lights])
    folds, recordings = make_folds(tmp_path, names, ["in-bed", "whole-night"])
    reason = recordings[1]["skipped"]
    assert "SC4011E0-PSG.edf: 10 scored epochs in the window in-bed; at least 20" in reason
    assert [row["skipped"] for row in recordings] == ["", reason, "", "", ""]
    assert "SC4011E0" not in {row["recording"] for row in folds}


def test_a_window_by_lights_without_lights_is_a_reason_to_skip(tmp_path, dreams_folder):
    dreams = source_of(reader="dreams", folder=dreams_folder, labels={"EEG": ["C3-A1"]})
    index, skipped = prepare(tmp_path, dreams, ["EEG"], "excerpt1")
    assert not skipped
    write_recordings(tmp_path / "recordings.csv", dreams, ["in-bed"], index)
    (row,) = rows(tmp_path / "recordings.csv")
    assert row["skipped"].endswith(
        "excerpt1.edf: no lights times, which the window in-bed needs; choose whole-night"
    )


def test_recordings_of_one_subject_have_one_role_in_a_fold(tmp_path):
    names = ["SC4001E0", "SC4002E0", "SC4011E0", "SC4012E0", "SC4021E0", "SC4031E0"]
    for name in names:
        write_recording(tmp_path, name, annotations=SCORED)
    folds, _ = make_folds(tmp_path, names, ["whole-night"])
    for number in "12":
        roles = {}
        for row in folds:
            if row["fold"] == number and row["role"] != "training subset":
                roles.setdefault(row["subject"], set()).add(row["role"])
        assert all(len(role) == 1 for role in roles.values())
    assert sorted(row["recording"] for row in folds if row["role"] == "test") == names


def test_no_usable_recording_at_all_is_one_line(tmp_path):
    write_recording(tmp_path, signals=[edf_signal("EEG Fpz-Cz", 1200, rate=50)])
    with pytest.raises(InputError, match=r"X: none of .* mend what .*\.csv says"):
        make_folds(tmp_path, ["SC4001E0"], ["whole-night"])


def test_parts_are_cut_to_the_window(tmp_path):
    lights = [(300, 0, "Lights off"), (1020, 0, "Lights on")]
    write_recording(tmp_path, annotations=[*SCORED, *lights])
    stored = stored_recording(tmp_path)
    part = load_part(stored, "in-bed", ("EOG",), NetworkSettings())
    assert part.info.places.tolist() == list(range(10, 34))
    whole = read_signals(stored.epochs)["EOG"]
    assert np.array_equal(part.data.raw(2, 5)[..., 0], whole[12:15])


def test_raw_deviation_scales_each_recording_to_one_amplitude(tmp_path):
    write_recording(tmp_path, annotations=SCORED)
    one = stored_recording(tmp_path)
    stored = (one, "whole-night", ("EEG", "EOG"))
    plain, scaled = (
        load_part(*stored, NetworkSettings(raw_deviation=deviation)) for deviation in (None, 20)
    )
    amplitudes = read(scaled, "raw", 0, 40).std((0, 1), dtype=float)
    assert np.allclose(amplitudes, 20, rtol=SINGLE, atol=0)
    assert np.array_equal(read(plain, "raw", 0, 40)[..., 0], read_signals(one.epochs)["EEG"])
    images = [read(part, "time-frequency", 0, 40) for part in (plain, scaled)]
    assert np.array_equal(*images)


def test_a_fault_of_the_program_costs_one_recording_and_not_the_others(tmp_path, monkeypatch):
    for name in NIGHTS:
        write_recording(tmp_path, name)
    read = SleepEdf.read

    def faulty(self, entry, channels):
        if entry.name == NIGHTS[1]:
            raise RuntimeError("index 3 is out\nof bounds")
        return read(self, entry, channels)

    monkeypatch.setattr(SleepEdf, "read", faulty)
    lines = []
    index, skipped = prepare(
        tmp_path / "store", source(tmp_path), ("EEG",), *NIGHTS, report=lines.append
    )
    assert list(read_index(index)) == list(NIGHTS)
    expected = (
        "PSG.edf: not read, by a fault of this program (RuntimeError: index 3 is out of bounds)"
    )
    assert list(skipped) == [NIGHTS[1]] and expected in skipped[NIGHTS[1]]
    assert any("Traceback" in line for line in lines)


def test_a_hypnogram_of_a_part_of_the_recording_is_told(tmp_path):
    annotations = [(0, 630, "Sleep stage 2"), (630, 570, "Sleep stage ?")]
    write_recording(tmp_path, NIGHTS[0], annotations=annotations)
    index, _ = prepare(tmp_path / "store", source(tmp_path), ("EEG",), NIGHTS[0])
    (stored,) = read_index(index).values()
    (remark,) = stored.info.remarks
    assert "Hypnogram.edf: has stages for 0:10:30 of 0:20:00; the rest is not used" in remark


def test_what_to_do_about_a_damaged_file_depends_on_where_it_came_from(tmp_path):
    write_recording(tmp_path, "SC4001E0")
    (tmp_path / "SC4001E0-PSG.edf").write_bytes(b"0" * 5000)
    for fetch, advice in ((None, "copy or export it"), ({"url": "https://x/"}, "delete it, and")):
        given = source_of(reader="sleep-edf-20", folder=tmp_path, labels=LABELS, fetch=fetch)
        _, skipped = prepare(tmp_path / "store", given, ("EEG",), "SC4001E0")
        assert advice in skipped["SC4001E0"]
