"""DREAMS excerpts: 20-s R&K epochs in 5-s codes, expanded to 30 s."""

import shutil

import numpy as np
import pytest

from tests.helpers.recordings import edf_signal
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES, UNSCORED, label
from xsleep.databases import open_database, source_of
from xsleep.databases.dreams import DreamsExcerpts, read_hypnogram
from xsleep.preparation.preprocessing import cut

LABELS = {"EEG": ("C3-A1", "CZ-A1")}
EXCERPTS = DreamsExcerpts


def dreams(folder, reader="dreams"):
    return open_database(source_of(reader=reader, folder=folder, labels=LABELS))


def hypnogram(folder, codes):
    path = folder / "Hypnogram_excerpt1.txt"
    path.write_text("[Hypnogram]\n" + "\n".join(codes) + "\n")
    return path


def test_all_seven_real_excerpts_give_616_epochs(dreams_folder):
    database = dreams(dreams_folder)
    entries = database.entries()
    assert [entry.name for entry in entries] == [f"excerpt{n}" for n in (1, 2, 4, 5, 6, 7, 8)]
    assert sum(len(cut(database.read(entry, ("EEG",))).stages) for entry in entries) == 616


def test_epoch_has_the_first_of_its_four_codes(tmp_path):
    path = hypnogram(tmp_path, [*"555532224444100001", *"11", "-1", *"222"])
    stages = read_hypnogram(path, 120, EXCERPTS).stages
    assert [STAGES[s] for s in stages[:5]] == ["W", "N1", "REM", "N3", "N3"]
    assert stages[5] == UNSCORED


def test_all_seven_real_excerpts_give_60_epochs_each_on_the_grid_of_30_s(dreams_folder):
    given = {"reader": "dreams", "folder": dreams_folder, "labels": LABELS, "grid": 30}
    database = open_database(source_of(**given))
    found = [cut(database.read(entry, ("EEG",))) for entry in database.entries()]
    assert [len(epochs.stages) for epochs in found] == [60] * 7
    assert found[0].onsets.tolist() == [30 * i for i in range(60)]


@pytest.mark.parametrize(
    ("codes", "stage"),
    [
        ("552222", "N2"),
        ("555522", "W"),
        ("555222", "W"),
        ("223355", "N2"),
        ("101022", "N3"),
        ("--2222", "N2"),
        ("----22", None),
        ("22---2", "N2"),
        ("---222", None),
    ],
)
def test_an_epoch_of_30_s_has_the_majority_of_its_codes_or_the_first_of_equals(
    tmp_path, codes, stage
):
    """A hyphen stands for movement, code -1."""
    written = [code.replace("-", "-1") for code in f"444444{codes}"]
    found = read_hypnogram(hypnogram(tmp_path, [*written, *"555"]), 75, EXCERPTS, 30)
    assert found.stages.tolist() == [STAGES.index("REM"), label(stage)]
    assert found.onsets.tolist() == [0, 30]


@pytest.mark.parametrize(("reader", "epochs"), [("dreams-subjects-rk", 20), ("dreams", None)])
def test_the_grid_is_of_scorings_in_20_s_epochs(tmp_path, reader, epochs):
    given = {"reader": reader, "folder": tmp_path, "labels": LABELS}
    source = source_of(**given, grid="30")
    assert "grid" not in source_of(**given).model_dump() and source.model_dump()["grid"] == 30
    if epochs:
        write_subject(tmp_path)
        database = open_database(source)
        found = database.read(database.entries()[0], ("EEG",)).hypnogram
        assert found.onsets.tolist() == [30 * i for i in range(epochs)]
    with pytest.raises(ValueError, match="grid belongs to the reader dreams or dreams-subjects-rk"):
        source_of(reader="dreams-subjects-aasm", folder=tmp_path, labels={}, grid=30)


def test_20_s_epochs_are_taken_with_5_s_before_and_after(tmp_path):
    onsets = read_hypnogram(hypnogram(tmp_path, ["2"] * 12), 60, EXCERPTS).onsets
    assert onsets.tolist() == [-5, 15, 35]


def test_epoch_whose_margin_leaves_the_recording_is_dropped(dreams_folder):
    database = dreams(dreams_folder)
    epochs = cut(database.read(database.entries()[0], ("EEG",)))
    assert (epochs.places[0], epochs.places[-1]) == (1, 88)
    assert epochs.signals["EEG"].shape == (88, 3000)


def test_unknown_code_is_named_with_its_line(tmp_path):
    with pytest.raises(InputError, match=r"excerpt1.txt: line 4: '9' is no stage code"):
        read_hypnogram(hypnogram(tmp_path, ["5", "5", "9", "5"]), 20, EXCERPTS)


@pytest.mark.parametrize("seconds", [30, 10])
def test_hypnogram_of_another_length_than_the_signal_is_refused(tmp_path, seconds):
    with pytest.raises(InputError, match=rf"lasts 20 s, the signal {seconds} s"):
        read_hypnogram(hypnogram(tmp_path, ["5"] * 4), seconds, EXCERPTS)


def test_missing_hypnogram_is_named(dreams_folder, tmp_path):
    shutil.copy(dreams_folder / "excerpt1.edf", tmp_path)
    database = dreams(tmp_path)
    with pytest.raises(InputError, match=r"Hypnogram_excerpt1.txt: no such file"):
        database.read(database.entries()[0], ("EEG",))


def test_empty_folder_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no DREAMS excerpt there"):
        dreams(tmp_path).entries()


def test_signal_is_resampled_to_the_epochs_of_100_hz(tmp_path):
    import edfio

    time = np.arange(200 * 120) / 200
    signal = edf_signal("CZ-A1", 120, rate=200, values=50 * np.sin(2 * np.pi * 10 * time))
    edfio.Edf([signal]).write(tmp_path / "excerpt1.edf")
    hypnogram(tmp_path, ["2"] * 24)
    database = dreams(tmp_path)
    epochs = cut(database.read(database.entries()[0], ("EEG",))).signals["EEG"][:]
    expected = 50 * np.sin(2 * np.pi * 10 * (35 + np.arange(3000) / 100))
    assert np.abs(epochs[1] - expected)[100:-100].max() < 0.5


# Whole nights of the DREAMS Subjects database.


def write_subject(folder, seconds=600):
    import edfio

    labels = ["CZ-A1", "EOG1", "EOG2", "EMG1"]
    edfio.Edf([edf_signal(label, seconds, rate=200) for label in labels]).write(
        folder / "subject1.edf"
    )
    for name, stages in (("AASM", "53214"), ("R&K", "53210")):
        codes = [stage for stage in stages for _ in range(seconds // 5 // len(stages))]
        text = "\n".join([f"[Hypnogram{name}]", *codes])
        (folder / f"Hypnogram{name}_subject1.txt").write_text(text + "\n")


def subject(folder, reader):
    database = dreams(folder, reader)
    return database.read(database.entries()[0], ("EEG",))


def test_subjects_by_the_aasm_have_epochs_of_30_s(tmp_path):
    write_subject(tmp_path)
    hypnogram = subject(tmp_path, "dreams-subjects-aasm").hypnogram
    assert hypnogram.onsets.tolist() == [30 * i for i in range(20)]
    assert [STAGES[s] for s in hypnogram.stages[::4]] == ["W", "N1", "N2", "N3", "REM"]


def test_subjects_by_r_and_k_have_epochs_of_20_s(tmp_path):
    write_subject(tmp_path)
    hypnogram = subject(tmp_path, "dreams-subjects-rk").hypnogram
    assert hypnogram.onsets.tolist() == [20 * i - 5 for i in range(30)]
    assert [STAGES[s] for s in hypnogram.stages[::6]] == ["W", "N1", "N2", "N3", "N3"]


def test_scoring_of_a_recording_may_end_with_its_last_whole_epoch(tmp_path):
    write_subject(tmp_path, 600)
    path = tmp_path / "HypnogramAASM_subject1.txt"
    path.write_text("\n".join(path.read_text().split()[:-6]))
    assert len(subject(tmp_path, "dreams-subjects-aasm").hypnogram.stages) == 19
    path.write_text("\n".join(path.read_text().split()[:-12]))
    with pytest.raises(InputError, match="lasts 510 s, the signal 600 s; check that they belong"):
        subject(tmp_path, "dreams-subjects-aasm")


def test_folder_of_excerpts_alone_has_no_subjects(dreams_folder):
    with pytest.raises(InputError, match=r"no DREAMS subject there \(subject1.edf, ...\)"):
        dreams(dreams_folder, "dreams-subjects-rk").entries()


@pytest.mark.parametrize("first", ["5", "05", "\ufeff5", "5.0", " -1,"])
def test_a_first_line_that_is_a_code_is_no_title(tmp_path, first):
    path = tmp_path / "Hypnogram_excerpt1.txt"
    path.write_text("\n".join([first, *["5"] * 119]))
    with pytest.raises(InputError, match=r"line 1: .* is no title; put one before the first code"):
        read_hypnogram(path, 600, EXCERPTS)
