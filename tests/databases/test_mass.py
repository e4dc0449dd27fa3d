"""MASS: montages, 20-s and 30-s epochs, scoring in a file of its own; the authors' indices."""

from collections import Counter

import edfio
import numpy as np
import pytest
import yaml

from tests.helpers.recordings import ROOT, edf_signal, noise
from xsleep.core.errors import InputError, InputWarning
from xsleep.core.stages import STAGES, UNSCORED
from xsleep.databases import open_database, source_of
from xsleep.databases.mass import EPOCH_SECONDS, subjects
from xsleep.preparation.preprocessing import cut

SETTINGS = yaml.safe_load((ROOT / "config" / "databases" / "MASS.yaml").read_text())
LABELS = SETTINGS["source"]["labels"]
SECONDS = 240


def mass(folder):
    return open_database(source_of(reader="mass", folder=folder, labels=LABELS))


def write_psg(folder, name="01-01-0001", labels=("EEG C4-CLE", "EEG A2-CLE"), seconds=SECONDS):
    """Electrodes against linked ears, as the labels say; returns what each electrode has."""
    c4, a1, a2 = (noise(seconds, 256, seed) for seed in range(3))
    c3 = noise(seconds, 256, 8)
    left, right = noise(seconds, 256, 3), noise(seconds, 256, 4)
    chins = [noise(seconds, 128, seed) for seed in (5, 6, 7)]
    ears = (a1 + a2) / 2
    potentials = {"C3": c3 - ears, "C4": c4 - ears, "A1": a1 - ears, "A2": a2 - ears}
    signals = [edf_signal(n, seconds, 256, values=potentials[n[4:6]]) for n in labels]
    signals += [
        edf_signal("EOG Left Horiz", seconds, 256, values=left),
        edf_signal("EOG Right Horiz", seconds, 256, values=right),
        edf_signal("ECG ECGI", seconds, 512),
        edf_signal("SaO2 SaO2", seconds, 4, dimension="%"),
    ]
    number = int(name[4])
    names = ["EMG Chin"] if number in (2, 4) else ["EMG Chin1", "EMG Chin2", "EMG Chin3"]
    signals += [edf_signal(n, seconds, 128, values=v) for n, v in zip(names, chins, strict=False)]
    folder.mkdir(parents=True, exist_ok=True)
    edfio.Edf(signals, annotations=[]).write(folder / f"{name} PSG.edf")
    return potentials | {"C4-A1": c4 - a1, "C3-A2": c3 - a2, "EOG": right - left, "chins": chins}


def write_scoring(folder, texts, epoch, name="01-01-0001", kind=" Base", start=0.0):
    folder.mkdir(parents=True, exist_ok=True)
    stages = [(start + i * epoch, epoch, f"Sleep stage {t}") for i, t in enumerate(texts)]
    others = [(33.25, 0.8, '<Event channel="EEG C4-CLE" groupName="Spindle" name="Spindle"/>')]
    annotations = [edfio.EdfAnnotation(*a) for a in [*stages, *others]]
    edfio.Edf([], annotations=annotations).write(folder / f"{name}{kind}.edf")


def read(folder, name="01-01-0001", channels=("EEG",)):
    database = mass(folder)
    entry = next(entry for entry in database.entries() if entry.name == name)
    return database.read(entry, channels)


@pytest.mark.parametrize(
    "labels",
    [
        ["EEG C4-CLE", "EEG A1-CLE"],
        ["EEG C4-CLE", "EEG A2-CLE"],
        ["EEG C4-LER", "EEG A2-LER"],
        ["EEG C4-LER", "EEG A1-LER", "EEG A2-LER"],
    ],
)
def test_c4_a1_is_computed_where_an_ear_is_recorded_against_both(tmp_path, labels):
    expected = write_psg(tmp_path, labels=labels)["C4-A1"]
    write_scoring(tmp_path, "W1234R?W", 30)
    signal = read(tmp_path).signals["EEG"]
    assert signal.rate == 256
    assert np.abs(signal.values - expected).max() < 0.02


@pytest.mark.parametrize("reference", ["CLE", "LER"])
@pytest.mark.parametrize(
    ("electrodes", "derivation"),
    [
        (["C3", "C4", "A1", "A2"], "C4-A1"),
        (["C3", "C4", "A2"], "C3-A2"),  # no A1
        (["C3", "A1", "A2"], "C3-A2"),  # no C4
    ],
)
def test_table1_eeg_is_c4_a1_or_else_c3_a2(tmp_path, electrodes, derivation, reference):
    labels = [f"EEG {electrode}-{reference}" for electrode in electrodes]
    expected = write_psg(tmp_path, labels=labels)[derivation]
    write_scoring(tmp_path, "W1234R?W", 30)
    assert np.abs(read(tmp_path).signals["EEG"].values - expected).max() < 0.02


@pytest.mark.parametrize(
    ("labels", "electrode"),
    [(["EEG C4-CLE"], "C4"), (["EEG C3-LER", "EEG C4-LER"], "C4"), (["EEG C3-LER"], "C3")],
)
def test_one_side_against_linked_ears_is_taken_where_no_ear_is_recorded(
    tmp_path, labels, electrode
):
    expected = write_psg(tmp_path, labels=labels)[electrode]
    write_scoring(tmp_path, "W1234R?W", 30)
    assert np.abs(read(tmp_path).signals["EEG"].values - expected).max() < 0.02


def test_sec4_1_eog_is_roc_loc_and_emg_is_chin1_chin2(tmp_path):
    expected = write_psg(tmp_path)
    write_scoring(tmp_path, "W1234R?W", 30)
    signals = read(tmp_path, channels=("EEG", "EOG", "EMG")).signals
    one, two, _ = expected["chins"]
    assert np.abs(signals["EOG"].values - expected["EOG"]).max() < 0.02
    assert np.abs(signals["EMG"].values - (one - two)).max() < 0.02
    assert {channel: s.rate for channel, s in signals.items()} == {
        "EEG": 256,
        "EOG": 256,
        "EMG": 128,
    }


def test_the_chin_may_be_one_signal(tmp_path):
    chin = write_psg(tmp_path, "01-02-0001")["chins"][0]
    write_scoring(tmp_path, "W1234R?W" * 1, 20, "01-02-0001")
    signals = read(tmp_path, "01-02-0001", ("EMG",)).signals
    assert np.abs(signals["EMG"].values - chin).max() < 0.02


@pytest.mark.parametrize("subset", [1, 3])
def test_ss1_and_ss3_have_epochs_of_30_s(tmp_path, subset):
    name = f"01-0{subset}-0001"
    write_psg(tmp_path, name)
    write_scoring(tmp_path, "W1234R?W", 30, name)
    hypnogram = read(tmp_path, name).hypnogram
    assert hypnogram.onsets.tolist() == [30 * i for i in range(8)]
    found = [STAGES[s] if s != UNSCORED else "?" for s in hypnogram.stages]
    assert found == ["W", "N1", "N2", "N3", "N3", "REM", "?", "W"]


@pytest.mark.parametrize("subset", [2, 4, 5])
def test_sec4_1_20_s_epochs_are_taken_with_5_s_before_and_after(tmp_path, subset):
    name = f"01-0{subset}-0001"
    write_psg(tmp_path, name)
    write_scoring(tmp_path, "W11222334RRW", 20, name)
    recording = read(tmp_path, name)
    assert recording.hypnogram.onsets.tolist() == [20 * i - 5 for i in range(12)]
    epochs = cut(recording)
    # The margins of the first and the last leave the recording.
    assert epochs.places.tolist() == list(range(1, 11))
    assert epochs.signals["EEG"].shape == (10, 3000)


def test_scoring_that_starts_off_the_grid_keeps_its_times_and_gaps_their_places(tmp_path):
    write_psg(tmp_path, "01-02-0001")
    write_scoring(tmp_path, "W12", 20, "01-02-0001", start=6.4)
    path = tmp_path / "01-02-0001 Base.edf"
    found = edfio.read_edf(path).annotations
    later = edfio.EdfAnnotation(6.4 + 100, 20, "Sleep stage R")
    edfio.Edf([], annotations=[*found, later]).write(path)
    hypnogram = read(tmp_path, "01-02-0001").hypnogram
    assert np.allclose(hypnogram.onsets, 1.4 + 20 * np.arange(6))
    assert [*map(int, hypnogram.stages)] == [0, 1, 2, UNSCORED, UNSCORED, 4]


@pytest.mark.parametrize("scoring", ["annotations", "edfs", "."])
@pytest.mark.parametrize("kind", [" Base", " Annotations", "_Annotations"])
def test_files_of_all_distributions_are_found(tmp_path, scoring, kind):
    write_psg(tmp_path / "SS1")
    write_scoring(tmp_path / "SS1" / scoring, "W1234R?W", 30, kind=kind)
    assert len(read(tmp_path).hypnogram.stages) == 8


def test_there_are_200_subjects_in_the_order_of_the_authors_indices():
    assert Counter(int(subject[4]) for subject in subjects()) == {1: 53, 2: 19, 3: 62, 4: 40, 5: 26}
    assert subjects() == sorted(set(subjects()))
    assert set(EPOCH_SECONDS) == {1, 2, 3, 4, 5}


def test_missing_recordings_are_listed_and_named(tmp_path):
    write_psg(tmp_path / "SS1")
    assert len(mass(tmp_path).entries()) == 200
    with pytest.raises(InputError, match=r"SS5/01-05-0026 PSG.edf: no such file"):
        read(tmp_path, "01-05-0026")
    with pytest.raises(InputError, match=r"SS1/01-01-0001 Base.edf: no such file"):
        read(tmp_path)


# What can be wrong with the scoring.


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ([(0, 30, "Sleep stage N2")], "unknown annotation 'Sleep stage N2' at 0:00:00"),
        ([(0, 30, "Spindle")], "no epoch with a stage in it; check that it is the scoring"),
        ([(0, 20, "Sleep stage 2"), (20, 20, "Sleep stage 2")], "at 0 s lasts 20 s; epochs here"),
        (
            [(0, 30, "Sleep stage 2"), (20, 30, "Sleep stage 2")],
            "at 20 s begins before 30 s, where the one before",
        ),
        ([(0, 600, "Sleep stage 2")], "ends at 0:10:00, the signal at 0:04:00; check that they"),
    ],
)
def test_wrong_scoring_is_one_line_that_names_the_value(tmp_path, annotations, expected):
    write_psg(tmp_path)
    edfio.Edf([], annotations=[edfio.EdfAnnotation(*a) for a in annotations]).write(
        tmp_path / "01-01-0001 Base.edf"
    )
    with pytest.raises(InputError, match=expected) as error:
        read(tmp_path)
    assert "01-01-0001 Base.edf" in str(error.value) and "\n" not in str(error.value)


def test_folder_without_a_recording_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no recording of MASS there"):
        mass(tmp_path).entries()


def test_two_scorings_are_compared_by_their_epochs(tmp_path):
    write_psg(tmp_path)
    write_scoring(tmp_path, "22222222", 30)
    write_scoring(tmp_path, "2", 240, kind=" Annotations")
    assert read(tmp_path).hypnogram.stages.tolist() == [2] * 8
    write_scoring(tmp_path, "22222223", 30, kind=" Annotations")
    with pytest.raises(InputError, match=r"has other stages than .*; take away the one"):
        read(tmp_path)


def test_of_two_scorings_one_with_events_alone_or_damage_is_passed_over(tmp_path):
    write_psg(tmp_path)
    write_scoring(tmp_path, "22222222", 30)
    write_scoring(tmp_path, "", 30, kind=" Annotations")
    assert read(tmp_path).hypnogram.stages.tolist() == [2] * 8
    (tmp_path / "01-01-0001 Annotations.edf").write_text("<html>")
    with pytest.warns(InputWarning, match="Annotations.edf: passed over: not readable as EDF"):
        assert read(tmp_path).hypnogram.stages.tolist() == [2] * 8


def test_names_may_be_in_small_letters_and_two_of_one_name_are_refused(tmp_path):
    write_psg(tmp_path)
    write_scoring(tmp_path, "22222222", 30)
    (tmp_path / "01-01-0001 PSG.edf").rename(tmp_path / "01-01-0001 psg.EDF")
    assert len(read(tmp_path).hypnogram.stages) == 8
    write_psg(tmp_path / "SS1")
    (entry,) = (e for e in mass(tmp_path).entries() if e.name == "01-01-0001")
    assert "not the only signals of this subject" in entry.fault
