"""PhysioNet Challenge 2018: WFDB records whose annotations say where a stage begins."""

import struct
from pathlib import Path

import numpy as np
import pytest
import wfdb
import yaml

from xsleep.config.network import Filtering
from xsleep.config.workflow import load
from xsleep.core.errors import DamagedError, InputError
from xsleep.core.stages import STAGES, UNSCORED
from xsleep.databases import open_database, source_of
from xsleep.preparation.preprocessing import cut

LABELS = {"EEG": ("C3-M2",), "EOG": ("E1-M2",), "EMG": ("Chin1-Chin2",)}
EPOCH = 30 * 200
NAMES = (
    *("F3-M2", "F4-M1", "C3-M2", "C4-M1", "O1-M2", "O2-M1", "E1-M2"),
    *("Chin1-Chin2", "ABD", "CHEST", "AIRFLOW", "SaO2", "ECG"),
)
"""The signals of a record, in the order of the Challenge."""


def physio2018(folder, labels=LABELS):
    return open_database(source_of(reader="physio2018", folder=folder, labels=labels))


NIGHT = [(2, "W"), (4, "N1"), (5, "N2"), (5, "(resp_hypopnea"), (6, "resp_hypopnea)"), (8, "N3")]
"""(epochs from the start, note): scored from the third epoch on."""


def write_record(
    folder, name="tr03-0005", notes=NIGHT, epochs=12, gain="1/uV", values=None, fs=200
):
    """A record as PhysioNet has it: a MATLAB file of 16-bit integers, its header, annotations."""
    record = folder / name
    record.mkdir(parents=True)
    samples = epochs * 30 * fs
    if values is None:
        values = np.random.default_rng(0).integers(-99, 99, (len(NAMES), samples))
    (record / f"{name}.mat").write_bytes(
        struct.pack("<5i4s", 30, *values.shape, 0, 4, b"val\0") + values.T.astype("<i2").tobytes()
    )
    lines = [f"{name} {len(NAMES)} {fs} {samples}"]
    for label, first in zip(NAMES, values[:, 0], strict=True):
        lines.append(f"{name}.mat 16+24 {gain} 16 0 {first} 0 0 {label}")
    (record / f"{name}.hea").write_text("\n".join(lines) + "\n")
    if notes:
        write_marks(record, [(round(place * EPOCH), note) for place, note in notes])
    return record


def write_marks(record, marks):
    wfdb.wrann(
        record.name,
        "arousal",
        np.array([sample for sample, _ in marks]),
        symbol=['"'] * len(marks),
        aux_note=[note for _, note in marks],
        fs=200,
        write_dir=str(record),
    )


def change_header(record, old, new):
    header = record / f"{record.name}.hea"
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new))


def read(folder, channels=("EEG",), labels=LABELS):
    database = physio2018(folder, labels)
    return database.read(database.entries()[0], channels)


def names(stages):
    return ["" if stage == UNSCORED else STAGES[stage] for stage in stages]


def test_a_stage_holds_until_the_next_and_the_last_to_the_end(tmp_path):
    write_record(tmp_path)
    hypnogram = read(tmp_path).hypnogram
    assert names(hypnogram.stages) == ["W"] * 2 + ["N1"] + ["N2"] * 3 + ["N3"] * 4


@pytest.mark.parametrize("lead", [0, 2, 2.5])
def test_unscored_lead_in_does_not_shift_the_labels(tmp_path, lead):
    values = np.zeros((len(NAMES), 12 * EPOCH), int)
    begin, changes = round(lead * EPOCH), round((lead + 3) * EPOCH)
    values[2, begin:changes] = 1000
    write_record(tmp_path, notes=[(lead, "W"), (lead + 3, "N2")], values=values)
    epochs = cut(read(tmp_path), Filtering(raw_filter="none"))
    assert epochs.onsets[0] == 30 * lead
    assert names(epochs.stages)[:4] == ["W", "W", "W", "N2"]
    # But for what the resampling filter spreads, W is where the signal is high and nowhere else.
    means = epochs.signals["EEG"][:][:, 50:-50].mean(axis=1)
    assert np.abs(means - np.where(epochs.stages == 0, 1000, 0)).max() < 1


@pytest.mark.parametrize("undefined", ["U", "undefined"])
def test_undefined_stretches_are_unscored(tmp_path, undefined):
    write_record(tmp_path, notes=[(0, "W"), (3, undefined), (7, "R")])
    assert names(read(tmp_path).hypnogram.stages) == ["W"] * 3 + [""] * 4 + ["REM"] * 5
    assert cut(read(tmp_path)).places.tolist() == [0, 1, 2, 7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    ("gain", "factor"), [("1/uV", 1), ("4/uV", 0.25), ("1000/mV", 1), ("200(-50)/mV", 5)]
)
def test_gain_baseline_and_unit_of_the_header_give_microvolts(tmp_path, gain, factor):
    values = np.random.default_rng(1).integers(-99, 99, (len(NAMES), 12 * EPOCH))
    write_record(tmp_path, values=values, gain=gain)
    signals = read(tmp_path, ("EEG", "EOG", "EMG")).signals
    offset = 50 if "(" in gain else 0
    for channel, row in (("EEG", 2), ("EOG", 6), ("EMG", 7)):
        assert signals[channel].rate == 200
        np.testing.assert_allclose(signals[channel].values, (values[row] + offset) * factor, 1e-6)


def test_every_record_is_a_subject_of_its_own(tmp_path):
    for name in ("tr12-0003", "tr03-0005", "tr03-0029"):
        write_record(tmp_path, name)
    (tmp_path / "RECORDS").write_text("tr03-0005/\n")
    entries = physio2018(tmp_path).entries()
    assert [entry.name for entry in entries] == ["tr03-0005", "tr03-0029", "tr12-0003"]
    assert [entry.subject for entry in entries] == [entry.name for entry in entries]


def test_configuration_opens_the_reader(tmp_path):
    write_record(tmp_path)
    source = {"source": {"folder": str(tmp_path)}}
    folder = Path(__file__).parents[2] / "config"
    config = yaml.safe_load((folder / "config.yaml").read_text())
    changes = {"databases": ["Physio2018"], "database_settings": {"Physio2018": source}}
    workflow = load(config | changes, folder)
    settings = workflow.databases["Physio2018"]
    database = open_database(settings.source)
    recording = database.read(database.entries()[0], settings.stored_channels)
    assert list(recording.signals) == ["EEG", "EOG", "EMG"]
    assert settings.folds.folds == 5


def test_empty_folder_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no record of the Challenge there"):
        physio2018(tmp_path).entries()


@pytest.mark.parametrize("kind", ["hea", "mat", "arousal"])
def test_missing_file_is_named(tmp_path, kind):
    record = write_record(tmp_path)
    (record / f"tr03-0005.{kind}").unlink()
    with pytest.raises(InputError, match=rf"tr03-0005.{kind}: no such file; fetch it, or take"):
        read(tmp_path)


def test_test_record_without_scoring_is_listed_and_named(tmp_path):
    write_record(tmp_path, "te03-0078", notes=())
    with pytest.raises(InputError, match=r"te03-0078.arousal: no such file"):
        read(tmp_path)


@pytest.mark.parametrize("kind", ["hea", "mat", "arousal"])
def test_empty_file_is_one_line(tmp_path, kind):
    record = write_record(tmp_path)
    (record / f"tr03-0005.{kind}").write_bytes(b"")
    with pytest.raises(DamagedError, match=rf"tr03-0005.{kind}: [^\n]+$"):
        read(tmp_path)


@pytest.mark.parametrize("kind", ["hea", "mat"])
def test_file_of_something_else_is_one_line(tmp_path, kind):
    record = write_record(tmp_path)
    (record / f"tr03-0005.{kind}").write_bytes(b"\xff\0garbage" * 40)
    with pytest.raises(DamagedError, match=rf"tr03-0005.{kind}: not readable \([^\n]*\)"):
        read(tmp_path)


def test_truncated_signals_are_one_line(tmp_path):
    signals = write_record(tmp_path) / "tr03-0005.mat"
    signals.write_bytes(signals.read_bytes()[:-2000])
    with pytest.raises(DamagedError, match=r"tr03-0005.mat: not readable \([^\n]*\)"):
        read(tmp_path)


@pytest.mark.parametrize("cut_off", [1, 2, 16])
def test_truncated_scoring_is_one_line(tmp_path, cut_off):
    scoring = write_record(tmp_path) / "tr03-0005.arousal"
    scoring.write_bytes(scoring.read_bytes()[:-cut_off])
    with pytest.raises(DamagedError, match=r"tr03-0005.arousal: is empty or truncated"):
        read(tmp_path)


def test_header_of_another_record_is_named(tmp_path):
    change_header(write_record(tmp_path), "tr03-0005 13", "tr03-0029 13")
    with pytest.raises(InputError, match=r"hea: is the header of record 'tr03-0029'; take that"):
        read(tmp_path)


def test_header_of_signals_of_another_record_is_named(tmp_path):
    change_header(write_record(tmp_path), "tr03-0005.mat", "tr03-0029.mat")
    with pytest.raises(DamagedError, match=r"hea: says that the signals are in 'tr03-0029.mat'"):
        read(tmp_path)


def test_header_that_describes_another_number_of_signals_is_named(tmp_path):
    change_header(write_record(tmp_path), "tr03-0005 13", "tr03-0005 12")
    with pytest.raises(
        DamagedError, match=r"hea: gives 12 as the number of signals and describes 13"
    ):
        read(tmp_path)


@pytest.mark.parametrize(("rows", "columns"), [(12, 12), (13, 11)])
def test_signals_of_another_size_than_the_header_are_named(tmp_path, rows, columns):
    record = write_record(
        tmp_path / "other", values=np.zeros((13, columns * EPOCH)), epochs=columns
    )
    wanted = write_record(tmp_path)
    content = (record / "tr03-0005.mat").read_bytes()
    header = struct.pack("<5i", 30, rows, columns * EPOCH, 0, 4)
    (wanted / "tr03-0005.mat").write_bytes(header + content[20:])
    message = rf"mat: holds {rows} x {columns * EPOCH} samples, tr03-0005.hea says 13 x 72000"
    with pytest.raises(DamagedError, match=message):
        read(tmp_path)


def test_missing_channel_is_named_with_what_there_is(tmp_path):
    write_record(tmp_path)
    with pytest.raises(InputError, match=r"mat: no EEG channel 'Cz' or 'Fz'; it has 'F3-M2', 'F4"):
        read(tmp_path, labels={"EEG": ("Cz", "Fz")})


def test_channel_that_is_no_voltage_is_named(tmp_path):
    change_header(write_record(tmp_path), "1/uV", "1/%")
    with pytest.raises(InputError, match=r"channel 'C3-M2' is in '%', which is no voltage"):
        read(tmp_path)


def test_two_signals_of_one_label_are_refused_and_one_is_named_by_its_number(tmp_path):
    values = np.random.default_rng(1).integers(-99, 99, (len(NAMES), 12 * EPOCH))
    change_header(write_record(tmp_path, values=values), " C4-M1", " C3-M2")
    with pytest.raises(InputError, match=r"mat: 2 signals are called 'C3-M2' \(.*3.*; .*4.*\)"):
        read(tmp_path)
    second = read(tmp_path, labels={"EEG": ("C3-M2#2",)}).signals["EEG"]
    np.testing.assert_array_equal(second.values, values[3])
    # Where another channel is wanted, they do not matter.
    assert read(tmp_path, ("EOG",)).signals["EOG"].label == "E1-M2"


def test_blanks_after_a_label_do_not_matter(tmp_path):
    change_header(write_record(tmp_path), " C3-M2", " C3-M2  ")
    assert read(tmp_path).signals["EEG"].label == "C3-M2"


def test_blanks_around_a_note_do_not_matter(tmp_path):
    record = write_record(tmp_path)
    marks = [(round(place * EPOCH), f"{note} ") for place, note in NIGHT]
    write_marks(record, [*marks[:-1], (marks[-1][0], " N3")])
    assert names(read(tmp_path).hypnogram.stages) == ["W"] * 2 + ["N1"] + ["N2"] * 3 + ["N3"] * 4


def test_a_gain_that_makes_samples_infinite_is_refused(tmp_path):
    values = np.full((len(NAMES), 12 * EPOCH), 99)
    write_record(tmp_path, values=values, gain=f"0.{'0' * 40}1/V")
    with pytest.raises(InputError, match=r"channel 'C3-M2' has 72000 samples marked as invalid"):
        read(tmp_path)


def test_samples_marked_as_invalid_are_counted(tmp_path):
    values = np.zeros((len(NAMES), 12 * EPOCH), int)
    values[2, 100:103] = -32768
    write_record(tmp_path, values=values)
    with pytest.raises(InputError, match=r"channel 'C3-M2' has 3 samples marked as invalid"):
        read(tmp_path)


def test_rate_below_100_hz_is_named(tmp_path):
    write_record(tmp_path, fs=50)
    with pytest.raises(InputError, match=r"is sampled at 50 Hz; at least 100 Hz is needed"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ([(0, "W"), (EPOCH, "N4")], r"unknown note 'N4' at sample 6000 \(0:00:30\); expected"),
        ([(0, "W"), (EPOCH + 150, "N1")], "the stage at 0 s lasts 30.75 s; epochs here are of 30"),
        ([(EPOCH, "W"), (EPOCH, "N1")], r"'W' at sample 6000 .* is not before what follows it"),
        ([(0, "W"), (12 * EPOCH, "N1")], r"'N1' at sample 72000 .* is not before .* sample 72000"),
        ([(0, "(arousal_rera"), (9, "arousal_rera)")], "no epoch with a stage in it"),
        ([(12 * EPOCH - 90, "W")], "no epoch with a stage in it"),
    ],
)
def test_wrong_mark_is_named(tmp_path, marks, message):
    write_marks(write_record(tmp_path, notes=()), marks)
    with pytest.raises(InputError, match=rf"tr03-0005.arousal: {message}"):
        read(tmp_path)
