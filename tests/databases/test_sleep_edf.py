"""Sleep-EDF cassette: EDF with mixed rates, EDF+ hypnograms, lights; and what can be wrong."""

import csv
import datetime
import hashlib
import json
from pathlib import Path

import edfio
import numpy as np
import pytest

from tests.helpers.recordings import edf_signal, write_recording
from xsleep.core.errors import InputError, InputWarning
from xsleep.core.recording import Hypnogram
from xsleep.core.stages import RK_STAGES, STAGES, UNSCORED, label
from xsleep.databases import open_database, source_of
from xsleep.databases.formats.channels import Channels
from xsleep.databases.lights import derived_on, lights_of
from xsleep.databases.sleep_edf import (
    CASSETTE,
    TELEMETRY,
    published_hashes,
    read_hypnogram,
    recordings,
)
from xsleep.preparation.windows import in_window
from xsleep.results import inventory
from xsleep.store.recordings import RecordingInfo, Stored, write_index

LABELS = {"EEG": ("EEG Fpz-Cz",), "EOG": ("EOG horizontal",)}


def sleep_edf(folder, recordings):
    database = open_database(source_of(reader="sleep-edf-78", folder=folder, labels=LABELS))
    database.recordings = recordings
    return database


def read(folder, channels=("EEG", "EOG")):
    database = sleep_edf(folder, ["SC4001E0"])
    return database.read(database.entries()[0], channels)


def refused(folder, *parts, channels=("EEG", "EOG")):
    with pytest.raises(InputError) as error:
        read(folder, channels)
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_s3_and_s4_become_n3_and_movement_has_no_stage(tmp_path):
    texts = ["W", "1", "2", "3", "4", "R", "?"]
    annotations = [(30.0 * i, 30, f"Sleep stage {t}") for i, t in enumerate(texts)]
    write_recording(tmp_path, epochs=8, annotations=[*annotations, (210, 30, "Movement time")])
    stages = read(tmp_path).hypnogram.stages
    assert [STAGES[s] for s in stages[:6]] == ["W", "N1", "N2", "N3", "N3", "REM"]
    assert stages[6:].tolist() == [UNSCORED, UNSCORED]


def test_unscored_annotations_may_run_past_the_signal(tmp_path):
    write_recording(tmp_path, epochs=40)  # ends with 300 s of "Sleep stage ?" past the signal
    assert len(read(tmp_path).hypnogram.stages) == 40


def test_signals_keep_their_own_rates_and_only_the_needed_are_read(tmp_path):
    signals = [
        edf_signal("EEG Fpz-Cz", 1200, rate=200),
        edf_signal("EOG horizontal", 1200, rate=100),
        edf_signal("Temp rectal", 1200, rate=1, dimension="DegC"),
    ]
    write_recording(tmp_path, signals=signals)
    found = read(tmp_path).signals
    assert {channel: s.rate for channel, s in found.items()} == {"EEG": 200, "EOG": 100}
    assert {len(s.values) for s in found.values()} == {240_000, 120_000}


@pytest.mark.parametrize(("dimension", "factor"), [("uV", 1), ("mV", 1e3), ("V", 1e6)])
def test_physical_units_become_microvolts(tmp_path, dimension, factor):
    volts = 40 * np.sin(np.arange(120_000) / 50)
    signals = [edf_signal("EEG Fpz-Cz", 1200, dimension=dimension, values=volts / factor)]
    write_recording(tmp_path, signals=signals)
    values = read(tmp_path, ("EEG",)).signals["EEG"].values
    assert np.abs(values - volts).max() < 0.01


def plain_edf(path, label):
    """A channel in physical units by the bytes of the EDF specification, without a library."""
    content = path.read_bytes()
    count, records = int(content[252:256]), int(content[236:244])
    widths = {"label": 16, "transducer": 80, "dimension": 8, "low": 8, "high": 8}
    widths |= {"digital_low": 8, "digital_high": 8, "filters": 80, "samples": 8}
    fields, at = {}, 256
    for name, width in widths.items():
        fields[name] = [content[at + i * width :][:width].decode().strip() for i in range(count)]
        at += width * count
    samples = [int(n) for n in fields["samples"]]
    index = fields["label"].index(label)
    data = np.frombuffer(content[256 * (count + 1) :], "<i2").reshape(records, sum(samples))
    digital = data[:, sum(samples[:index]) : sum(samples[: index + 1])].ravel()
    names = ("low", "high", "digital_low", "digital_high")
    low, high, digital_low, digital_high = (float(fields[name][index]) for name in names)
    return low + (digital - digital_low) * (high - low) / (digital_high - digital_low)


def test_real_signals_are_those_that_the_edf_specification_gives(sleep_edf_fragment):
    from xsleep.databases.formats import edf

    path = sleep_edf_fragment / "SC4001E0_first300s_short_psg.edf"
    ours = edf.read_channels(edf.open_edf(path), Channels(LABELS), ("EEG", "EOG"))
    for channel, (name,) in LABELS.items():
        assert len(ours[channel].values) == 300 * 100
        assert np.allclose(ours[channel].values, plain_edf(path, name), atol=1e-3)


def test_header_and_samples_of_a_real_file_are_those_that_mne_reads(sleep_edf_fragment):
    mne = pytest.importorskip("mne", reason="MNE is not installed (extra bench)")
    from xsleep.databases.formats import edf

    path = sleep_edf_fragment / "SC4001E0_first300s_short_psg.edf"
    file = edf.open_edf(path)
    theirs = mne.io.read_raw_edf(path, stim_channel=None, verbose="error")
    assert [signal.label for signal in file.signals] == theirs.ch_names
    assert file.start == theirs.info["meas_date"].replace(tzinfo=None)
    assert file.seconds == theirs.n_times / theirs.info["sfreq"] == 300
    for channel, signal in edf.read_channels(file, Channels(LABELS), ("EEG", "EOG")).items():
        (label,) = LABELS[channel]
        assert theirs._orig_units[label] == "µV"
        assert signal.rate == theirs.info["sfreq"] == 100
        np.testing.assert_allclose(signal.values, 1e6 * theirs.get_data(label)[0], atol=1e-3)


def test_a_signal_longer_than_a_block_is_the_same_to_its_last_sample(tmp_path, monkeypatch):
    from xsleep.databases.formats import edf

    monkeypatch.setattr(edf, "BLOCK_BYTES", 100_000)
    write_recording(tmp_path, epochs=41, signals=[edf_signal("EEG Fpz-Cz", 1230, rate=128)])
    path = tmp_path / "SC4001E0-PSG.edf"
    values = edf.read_channels(edf.open_edf(path), Channels(LABELS), ("EEG",))["EEG"].values
    assert np.allclose(values, plain_edf(path, "EEG Fpz-Cz"), atol=1e-4)


def test_real_hypnogram_gives_the_reference_stages(sleep_edf_fragment, reference):
    from xsleep.databases.formats import edf

    path = sleep_edf_fragment / "SC4001EC-Hypnogram.edf"
    runs = json.loads((reference / "sleep_edf_hypnograms.json").read_text())["SC4001E0"]
    letters = "".join(run[0] * int(run[1:]) for run in runs.split())
    stages = read_hypnogram(path, edf.read_annotations(path), 2650 * 30).stages
    assert stages.tolist() == [label(RK_STAGES.get(letter)) for letter in letters[:2650]]


@pytest.fixture
def reference_nights(reference):
    """The 192 recordings of both sets: row of the reference table, and the night."""
    hypnograms = json.loads((reference / "sleep_edf_hypnograms.json").read_text())
    with (reference / "sleep_edf_recordings.csv").open() as file:
        rows = list(csv.DictReader(file))
    nights = []
    for row in rows:
        name = row["recording"]
        start = datetime.datetime.fromisoformat(f"1989-04-24 {row['recording_start']}")
        letters = "".join(run[0] * int(run[1:]) for run in hypnograms[name].split())
        stages = np.array([label(RK_STAGES.get(letter)) for letter in letters])
        scored = np.flatnonzero(stages != UNSCORED)
        lights = lights_of(Path(name), name, start, [], hypnogram=None)
        seconds = 3600 * start.hour + 60 * start.minute + start.second
        nights.append(
            RecordingInfo(
                name, name[3:5], scored, 30.0 * scored, stages[scored], lights, start=seconds
            )
        )
    return list(zip(rows, nights, strict=True))


@pytest.mark.parametrize(
    ("window", "column", "different"),
    [
        ("in-bed", "published_in_bed_epochs", set()),
        # One published count is 15 minutes short of any reading of the window.
        ("in-bed+30min-as-published", "published_in_bed_30min_epochs", {"SC4572F0"}),
    ],
)
def test_windows_as_published_have_the_published_epochs(
    reference_nights, window, column, different
):
    counts = [(row, int(in_window(night, window).sum())) for row, night in reference_nights]
    assert {row["recording"] for row, count in counts if count != int(row[column])} == different


def test_table1_of_the_real_hypnograms_has_the_published_epochs(reference_nights, tmp_path):
    windows = ["in-bed", "in-bed+30min", "in-bed+30min-as-published"]
    names = ["SleepEDF-20", "SleepEDF-78"]
    indexes, recordings = ([tmp_path / f"{n}.{end}" for n in names] for end in ("h5", "csv"))
    for name, index, path in zip(names, indexes, recordings, strict=True):
        nights = [night for row, night in reference_nights if row["database"] == name]
        write_index(index, [Stored(night, "", "", {}) for night in nights])
        path.write_text("\n".join(["recording,skipped", *(f"{n.recording}," for n in nights), ""]))
    described = dict.fromkeys(
        names, inventory.Described(scoring="R&K", windows=windows, folds="published")
    )
    table = inventory.table1(described, indexes, recordings)
    assert table["epochs"].tolist() == [38_155, 42_835, 46_241, 155_055, 173_291, 192_263]
    assert table["difference in epochs"].tolist() == [0, -3406, 0, 0, -18_942, 30]
    assert table["subjects"].tolist() == [20] * 3 + [78] * 3


def test_the_defined_30min_window_differs_where_the_published_one_wraps(reference_nights):
    different = {
        (row["database"], row["recording"])
        for row, night in reference_nights
        if in_window(night, "in-bed+30min").sum() != int(row["published_in_bed_30min_epochs"])
    }
    assert len([name for database, name in different if database == "SleepEDF-20"]) == 4
    assert len([name for database, name in different if database == "SleepEDF-78"]) == 21


def test_lights_annotations_of_edf_plus_are_honoured(tmp_path):
    stages = [(0, 1200, "Sleep stage 2")]
    write_recording(tmp_path, annotations=[*stages, (300, 0, "Lights off"), (900, 0, "Lights on")])
    assert read(tmp_path).lights == (300, 900)


def test_published_lights_are_clock_times_after_the_start(tmp_path):
    write_recording(tmp_path, start=datetime.time(23, 30))
    off, on = read(tmp_path).lights  # 00:38:00 and 06:59:00 of SC4001E0
    assert (off, on) == (68 * 60, (7 * 60 + 29) * 60)
    assert read(tmp_path).start == 23.5 * 3600


def test_derived_lights_on_are_the_authors_for_147_of_153_recordings(reference_nights):
    different = {}
    for _, night in reference_nights:
        off, on = night.lights
        hypnogram = Hypnogram(night.onsets, night.stages)
        seconds = on - derived_on(Path(night.recording), hypnogram, off)
        if seconds:
            different[night.recording] = seconds
    assert different == {
        "SC4081E0": 60,
        "SC4092E0": 30,
        "SC4322E0": -30,
        "SC4571F0": 32.5 * 60,
        "SC4572F0": -15 * 60,
        "SC4762E0": 5.5 * 60,
    }


def hypnogram(*runs):
    stages = np.repeat([STAGES.index(stage) for stage, _ in runs], [n for _, n in runs])
    return Hypnogram(30.0 * np.arange(len(stages)), stages)


def test_naps_before_and_after_are_not_of_the_main_sleep():
    night = hypnogram(("N1", 20), ("W", 100), ("N2", 500), ("W", 360), ("N1", 20), ("W", 50))
    assert derived_on(Path("x"), night, 110 * 30) == 620 * 30 + 15 * 60


def test_being_awake_for_less_than_three_hours_is_part_of_the_main_sleep():
    night = hypnogram(("W", 100), ("N2", 500), ("W", 359), ("N1", 20), ("W", 50))
    assert derived_on(Path("x"), night, 50 * 30) == 979 * 30 + 15 * 60


def test_lights_on_that_are_not_annotated_are_derived(tmp_path):
    stages = [(0, 300, "Sleep stage 2"), (300, 900, "Sleep stage W")]
    write_recording(tmp_path, annotations=[*stages, (60, 0, "Lights off")])
    assert read(tmp_path).lights == (60, 300 + 15 * 60)


def test_lights_on_without_sleep_to_derive_them_from_is_named(tmp_path):
    write_recording(tmp_path, annotations=[(0, 1200, "Sleep stage W"), (60, 0, "Lights off")])
    refused(tmp_path, "SC4001EC-Hypnogram.edf: no sleep after lights off at 60 s")


def read_telemetry(folder, annotations):
    signals = [edf_signal(n, 1230) for n in ("EEG Fpz-Cz", "EOG horizontal", "EMG submental")]
    start = datetime.time(22, 58, 30)
    write_recording(folder, "ST7011J0", 41, annotations, signals, start=start)
    (folder / "ST7011JC-Hypnogram.edf").rename(folder / "ST7011JP-Hypnogram.edf")
    database = sleep_edf(folder, recordings(TELEMETRY))
    return database.read(database.entries()[0], ("EEG", "EOG"))


def test_telemetry_is_scored_in_part_and_lights_on_is_where_scoring_ends(tmp_path):
    scored = [(240, 300, "Sleep stage W"), (540, 480, "Sleep stage 2")]
    recording = read_telemetry(tmp_path, scored)
    stages = recording.hypnogram.stages
    assert (stages[:8] == UNSCORED).all() and (stages[34:] == UNSCORED).all()
    assert (stages[8:18] == STAGES.index("W")).all() and (stages[18:34] == STAGES.index("N2")).all()
    # Lights off at 23:01:00 by ST-subjects.xls.
    assert recording.lights == (150, 1020)
    assert (recording.name, recording.subject) == ("ST7011J0", "01")


def test_the_22_placebo_recordings_are_of_22_subjects():
    nights = recordings(TELEMETRY)
    assert len(nights) == len({name[3:5] for name in nights}) == 22
    assert {"03", "23"}.isdisjoint(name[3:5] for name in nights)
    # Second nights, where temazepam was given in the first.
    second = [name[3:5] for name in nights if name[5] == "2"]
    assert " ".join(second) == "02 05 08 09 11 13 16 18 19 21"


def test_any_scorer_letter_is_found(tmp_path):
    write_recording(tmp_path)
    (tmp_path / "SC4001EC-Hypnogram.edf").rename(tmp_path / "SC4001EV-Hypnogram.edf")
    assert len(read(tmp_path).hypnogram.stages) == 40


def test_the_sets_have_39_and_153_recordings():
    assert len(recordings(CASSETTE, 20)) == 39
    assert len(recordings(CASSETTE)) == 153


# What can be wrong with a recording.


def test_missing_psg_is_named(tmp_path):
    write_recording(tmp_path)
    (tmp_path / "SC4001E0-PSG.edf").rename(tmp_path / "SC4002E0-PSG.edf")
    database = sleep_edf(tmp_path, ["SC4001E0", "SC4002E0"])
    with pytest.raises(InputError, match=r"SC4001E0-PSG.edf: no such file"):
        database.read(database.entries()[0], ("EEG",))


def test_missing_hypnogram_is_named(tmp_path):
    write_recording(tmp_path)
    (tmp_path / "SC4001EC-Hypnogram.edf").unlink()
    refused(tmp_path, "SC4001EC-Hypnogram.edf: no such file")


@pytest.mark.parametrize("share", [0.5, 0.999])
def test_stages_beyond_a_truncated_signal_are_refused(tmp_path, share):
    write_recording(tmp_path)
    path = tmp_path / "SC4001E0-PSG.edf"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.warns(InputWarning, match="SC4001E0-PSG.edf: holds .* data records, .* gives 40"):
        refused(tmp_path, "Hypnogram.edf", "past the end of the signal", "belong together")


@pytest.mark.parametrize("content", [b"", b"<html>log in</html>", b"0" * 5000])
def test_file_that_is_not_edf_is_named(tmp_path, content):
    write_recording(tmp_path)
    (tmp_path / "SC4001E0-PSG.edf").write_bytes(content)
    refused(tmp_path, "SC4001E0-PSG.edf: not readable as EDF", "copy or export it again")


def test_missing_channel_is_named_with_those_that_are_there(tmp_path):
    write_recording(tmp_path, signals=[edf_signal("EEG Fpz-Cz", 1200)])
    refused(tmp_path, "no EOG channel 'EOG horizontal'", "it has 'EEG Fpz-Cz'")


def test_rate_below_100_hz_is_named(tmp_path):
    write_recording(tmp_path, signals=[edf_signal("EEG Fpz-Cz", 1200, rate=64)])
    refused(tmp_path, "'EEG Fpz-Cz' is sampled at 64 Hz; at least 100 Hz", channels=("EEG",))


def test_channel_that_is_no_voltage_is_named(tmp_path):
    write_recording(tmp_path, signals=[edf_signal("EEG Fpz-Cz", 1200, dimension="DegC")])
    refused(tmp_path, "'EEG Fpz-Cz' is in 'DegC'", channels=("EEG",))


def test_unknown_annotation_is_named_with_its_time(tmp_path):
    write_recording(tmp_path, annotations=[(0, 1170, "Sleep stage W"), (1170, 30, "Sleep stage 5")])
    refused(tmp_path, "SC4001EC-Hypnogram.edf", "'Sleep stage 5' at 0:19:30")


def test_annotation_off_the_30_s_grid_is_named(tmp_path):
    write_recording(tmp_path, annotations=[(0, 1170, "Sleep stage W"), (1170, 31, "Sleep stage 1")])
    refused(tmp_path, "'Sleep stage 1' at 1170 s lasts 31 s")


def test_hypnogram_longer_than_the_signal_is_refused(tmp_path):
    write_recording(tmp_path, annotations=[(0, 1800, "Sleep stage 2")])
    refused(tmp_path, "'Sleep stage 2' runs to 0:30:00, past the end of the signal at 0:20:00")


def test_hypnogram_shorter_than_the_signal_is_refused(tmp_path):
    write_recording(tmp_path, annotations=[(0, 600, "Sleep stage 2")])
    refused(tmp_path, "ends at 0:10:00, the signal at 0:20:00")


def test_lights_off_after_lights_on_is_refused(tmp_path):
    stages = [(0, 1200, "Sleep stage 2")]
    write_recording(tmp_path, annotations=[*stages, (900, 0, "Lights off"), (300, 0, "Lights on")])
    refused(tmp_path, "lights off at [900.0] s and on at [300.0] s")


def test_overlapping_stages_are_named(tmp_path):
    write_recording(tmp_path, annotations=[(0, 900, "Sleep stage W"), (600, 600, "Sleep stage 2")])
    refused(tmp_path, "Hypnogram.edf: 'Sleep stage 2' at 600 s begins before the one before it")


def test_epochs_before_the_recording_are_left_out_with_a_line(tmp_path):
    write_recording(tmp_path, annotations=[(-60, 90, "Sleep stage W"), (30, 1170, "Sleep stage 2")])
    with pytest.warns(InputWarning, match="Hypnogram.edf: 2 epochs before the recording are left"):
        hypnogram = read(tmp_path).hypnogram
    assert hypnogram.stages.tolist() == [0] + [2] * 39


@pytest.mark.parametrize(("earlier", "first", "left_out"), [(300, 0, 10), (10, 20, 1)])
def test_a_hypnogram_that_starts_earlier_keeps_its_own_epochs(tmp_path, earlier, first, left_out):
    """A start 10 s before the signal puts the second epoch of 30 s at 20 s."""
    write_recording(tmp_path)
    path = tmp_path / "SC4001EC-Hypnogram.edf"
    clock = datetime.datetime(1989, 4, 24, 22, 30) - datetime.timedelta(seconds=earlier)
    content = bytearray(path.read_bytes())
    content[176:184] = clock.strftime("%H.%M.%S").encode()
    path.write_bytes(content)
    before = 1200 - 30 * left_out
    with pytest.warns(InputWarning) as told:
        found = read_hypnogram(
            path,
            [(onset, length, text) for onset, length, text in shifted(path, earlier)],
            1200,
            partly=True,
            grid=first,
        )
    assert found.onsets[0] == first
    assert np.count_nonzero(found.stages != UNSCORED) * 30 == before
    assert f"{left_out} epochs before the recording are left out" in str(told.list[-1].message)


def shifted(path, seconds):
    """The annotations of a file, so many seconds earlier."""
    from xsleep.databases.formats import edf

    return [(onset - seconds, *others) for onset, *others in edf.read_annotations(path)]


def test_a_recording_without_a_start_time_has_no_lights_times(tmp_path):
    write_recording(tmp_path)
    path = tmp_path / "SC4001E0-PSG.edf"
    content = bytearray(path.read_bytes())
    content[176:184] = b"xx.xx.xx"
    path.write_bytes(content)
    with (
        pytest.warns(InputWarning, match="PSG.edf: gives no start time, so"),
        pytest.warns(InputWarning, match="Hypnogram.edf: taken to begin with SC4001E0-PSG.edf"),
    ):
        recording = read(tmp_path)
    assert (recording.lights, recording.start) == (None, None)


@pytest.mark.parametrize("capital", [str.lower, str.upper])
def test_names_may_be_in_small_or_capital_letters(tmp_path, capital):
    write_recording(tmp_path / "x")
    for path in (tmp_path / "x").iterdir():
        path.rename(tmp_path / capital(path.name))
    assert read(tmp_path).name == "SC4001E0"


def test_hypnograms_of_two_scorers_are_named(tmp_path):
    write_recording(tmp_path)
    content = (tmp_path / "SC4001EC-Hypnogram.edf").read_bytes()
    (tmp_path / "SC4001EV-Hypnogram.edf").write_bytes(content)
    (entry,) = sleep_edf(tmp_path, ["SC4001E0"]).entries()
    assert "SC4001EC-Hypnogram.edf: not the only hypnogram" in entry.fault
    assert "SC4001EV-Hypnogram.edf as well" in entry.fault


def test_hypnogram_of_a_longer_recording_is_refused(tmp_path):
    write_recording(tmp_path / "other", "SC4002E0", epochs=80)
    write_recording(tmp_path)
    (tmp_path / "other" / "SC4002EC-Hypnogram.edf").rename(tmp_path / "SC4001EC-Hypnogram.edf")
    refused(tmp_path, "past the end of the signal at 0:20:00; check that hypnogram and PSG belong")


def test_folder_without_any_of_the_recordings_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no recording of this database there"):
        sleep_edf(tmp_path, recordings(CASSETTE, 20)).entries()


def test_annotations_come_in_order_of_onset(tmp_path):
    write_recording(tmp_path, annotations=[(600, 600, "Sleep stage 2"), (0, 600, "Sleep stage W")])
    assert isinstance(edfio.read_edf(tmp_path / "SC4001EC-Hypnogram.edf"), edfio.Edf)
    stages = read(tmp_path).hypnogram.stages
    assert (STAGES[stages[0]], STAGES[stages[-1]]) == ("W", "N2")


def test_two_files_of_every_recording_are_published_with_a_hash():
    files = published_hashes()
    signals = {name[:8] for name in files if name.endswith("-PSG.edf")}
    assert {name for name in signals if name.startswith("SC")} == set(recordings(CASSETTE))
    assert signals > set(recordings(TELEMETRY))
    hypnograms = sorted(name[:6] for name in files if name.endswith("-Hypnogram.edf"))
    assert hypnograms == sorted(name[:6] for name in signals)
    assert len(files) == 2 * (153 + 44)
    assert all(len(digest) == 40 and int(digest, 16) for digest in files.values())


def test_the_published_hash_is_that_of_the_real_file(sleep_edf_fragment):
    path = sleep_edf_fragment / "SC4001EC-Hypnogram.edf"
    assert hashlib.sha1(path.read_bytes()).hexdigest() == published_hashes()[path.name]


@pytest.mark.parametrize(("reader", "nights"), [("sleep-edf-20", 39), ("sleep-edf-78", 153)])
def test_what_is_missing_is_fetched_by_its_published_name(tmp_path, reader, nights):
    url = "https://mirror.example/sleep-cassette"
    source = source_of(reader=reader, folder=tmp_path, labels=LABELS, fetch={"url": url})
    files = open_database(source).to_fetch()
    assert len(files) == 2 * nights
    assert files[2].url == f"{url}/SC4002E0-PSG.edf"
    assert files[2].digest == "c6b6d7a8605cc7e7602b6028ee77f6fbf5f7581d"
    (tmp_path / "SC4002E0-PSG.edf").touch()
    (tmp_path / "SC4002EV-Hypnogram.edf").touch()  # scored anew by another scorer
    assert [file.name[:6] for file in open_database(source).to_fetch()][1:3] == ["SC4001", "SC4011"]
    assert open_database(source.model_copy(update={"fetch": None})).to_fetch() == []


def test_telemetry_recordings_are_fetched_too(tmp_path):
    fetch = {"url": "https://mirror.example"}
    source = source_of(reader="sleep-edf-st", folder=tmp_path, labels=LABELS, fetch=fetch)
    assert {
        file.name[:8] for file in open_database(source).to_fetch() if "PSG" in file.name
    } == set(recordings(TELEMETRY))
