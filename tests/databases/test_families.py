"""Databases that are a YAML file alone: NSRR's, HMC, ISRUC, Dreem's and BIDS, as delivered."""

import datetime
import json

import edfio
import h5py
import mne
import numpy as np
import pytest
import yaml

from tests.databases.test_shhs import nsrr, profusion
from tests.helpers import serving
from tests.helpers.recordings import ROOT, edf_signal, noise
from tests.helpers.serving import TOKEN, Server
from xsleep.config.workflow import load
from xsleep.core.errors import DamagedError, InputError, InputWarning
from xsleep.core.stages import UNSCORED
from xsleep.databases import open_database, source_of
from xsleep.databases.base import READERS
from xsleep.databases.formats.consensus import majority
from xsleep.databases.formats.wsc import read_hypnogram
from xsleep.databases.nsrr import labels_of
from xsleep.databases.paths import Pattern
from xsleep.preparation.jobs import fetch_recordings

SECONDS = 690
CODES = [0, 1, 2, 3, 4, 5, 6, 9, *[2] * 15]
LABELS = [0, 1, 2, 3, 3, 4, UNSCORED, UNSCORED, *[2] * 15]
"""Codes of the epochs of a recording, and their labels."""


def database(name, folder, **changes):
    """The database that is delivered under this name, with its files in the folder."""
    base = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    changes = {"source": {"folder": str(folder), **changes}}
    config = base | {"databases": [name], "database_settings": {name: changes}}
    settings = load(config, ROOT / "config").databases[name]
    return open_database(source_of(**settings.source.model_dump(mode="json")))


def read(database, channels=("EEG", "EOG", "EMG"), entry=0):
    return database.read(database.entries()[entry], channels)


def write_edf(path, labels, rate=100, annotations=(), start=datetime.time(21, 45)):
    path.parent.mkdir(parents=True, exist_ok=True)
    signals = [edf_signal(label, SECONDS, rate, values=signal(label, rate)) for label in labels]
    notes = [edfio.EdfAnnotation(*note) for note in annotations]
    edfio.Edf(signals, annotations=notes, starttime=start).write(path)


def signal(label, rate=100):
    return noise(SECONDS, rate, sum(map(ord, label)))


def write_text(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)


def events(codes=CODES):
    names = ["Wake", "Stage 1 sleep", "Stage 2 sleep", "Stage 3 sleep", "Stage 4 sleep"]
    names += ["REM sleep", "Movement", *["Unscored"] * 3]
    return nsrr([(f"{names[code]}|{code}", 30 * i, 30) for i, code in enumerate(codes)])


FPZ = ("C3", "C4", "A1", "A2", "ROC", "LOC", "EMG1", "EMG2", "EMG3")
CHAT = ("C3", "C4", "M1", "M2", "E1", "E2", "Lchin", "Rchin", "Cchin")
NSRR = {
    "MESA": (
        "mesa-sleep-0001",
        ("EEG1", "EEG2", "EEG3", "EOG-L", "EOG-R", "EMG"),
        ("EEG3", "EOG-R - EOG-L", "EMG"),
    ),
    "MrOS": (
        "visit1/mros-visit1-aa0001",
        ("C3", "C4", "A1", "A2", "ROC", "LOC", "L Chin", "R Chin"),
        ("C4 - A1", "ROC - LOC", "L Chin - R Chin"),
    ),
    "CFS": ("cfs-visit5-800002", FPZ, ("C4 - A1", "ROC - LOC", "EMG2 - EMG1")),
    "CCSHS": ("ccshs-trec-1800001", FPZ, ("C4 - A1", "ROC - LOC", "EMG2 - EMG1")),
    "CHAT": ("baseline/chat-baseline-300001", CHAT, ("C4 - M1", "E2 - E1", "Lchin - Cchin")),
    "HomePAP": (
        "lab/full/homepap-lab-full-1600001",
        ("C4-M1", "C3-M2", "E-1", "E-2", "Chin1-Chin2"),
        ("C4-M1", "E-2 - E-1", "Chin1-Chin2"),
    ),
    "SHHS": (
        "shhs1/shhs1-200001",
        ("EEG", "EEG(sec)", "EOG(L)", "EOG(R)", "EMG"),
        ("EEG", "EOG(R) - EOG(L)", "EMG"),
    ),
}
"""Path of a recording, labels of its signals (NSRR's montage pages), and derivations taken."""


def write_nsrr(folder, path, labels, kind="nsrr", content=None):
    write_edf(folder / f"edfs/{path}.edf", labels)
    name = folder / f"annotations-events-{kind}/{path}-{kind}.xml"
    write_text(name, content or (events() if kind == "nsrr" else profusion(CODES)))


@pytest.mark.parametrize("name", NSRR)
@pytest.mark.parametrize("kind", ["nsrr", "profusion"])
def test_a_database_of_nsrr_is_read_by_its_yaml_alone(tmp_path, name, kind):
    path, labels, taken = NSRR[name]
    write_nsrr(tmp_path, path, labels, kind)
    write_text(tmp_path / "cfs-visit5-dataset-0.7.0.csv", "nsrrid,familyid\n800002,7\n")
    found = database(name, tmp_path)
    (entry,) = found.entries()
    assert entry.name == path.rpartition("/")[2]
    assert entry.subject == ("7" if name == "CFS" else path.rpartition("-")[2])
    recording = found.read(entry, ("EEG", "EOG", "EMG"))
    assert tuple(one.label for one in recording.signals.values()) == taken
    for channel, derivation in zip(("EEG", "EOG", "EMG"), taken, strict=True):
        first, *others = derivation.split(" - ")
        values = signal(first) - (signal(others[0]) if others else 0)
        np.testing.assert_allclose(recording.signals[channel].values, values, atol=0.02)
    assert recording.hypnogram.stages.tolist() == LABELS
    assert found.origin.address == f"https://sleepdata.org/datasets/{found.source.dataset}"


def test_visits_of_a_subject_are_recordings_of_one_subject(tmp_path):
    for visit in ("baseline", "followup"):
        write_nsrr(tmp_path, f"{visit}/chat-{visit}-300001", CHAT)
    write_nsrr(tmp_path, "nonrandomized/chat-nonrandomized-300004", CHAT)
    entries = database("CHAT", tmp_path).entries()
    assert [(entry.name, entry.subject) for entry in entries] == [
        ("chat-baseline-300001", "300001"),
        ("chat-followup-300001", "300001"),
        ("chat-nonrandomized-300004", "300004"),
    ]


def test_relatives_are_on_one_side_and_a_subject_without_family_is_told(tmp_path):
    for subject in (800002, 800003, 800004):
        write_nsrr(tmp_path, f"cfs-visit5-{subject}", FPZ)
    with pytest.raises(InputError, match=r"cfs-visit5-dataset-\*.csv: no such file; put it there"):
        database("CFS", tmp_path).entries()
    table = tmp_path / "cfs-visit5-dataset-0.6.0.csv"
    table.write_text("nsrrid,familyid\n800002,7\n800003,8\n800004,7\n")
    assert [e.subject for e in database("CFS", tmp_path).entries()] == ["7", "8", "7"]
    table.write_text("nsrrid,familyid\n800002,7\n800003,8\n")
    with pytest.raises(InputError, match="has no nsrrid '800004', of whom there is a recording"):
        database("CFS", tmp_path).entries()
    table.write_text("nsrrid,family\n800002,7\n")
    with pytest.raises(InputError, match="no column 'familyid'; correct people"):
        database("CFS", tmp_path).entries()


def test_a_scoring_that_ends_before_the_signal_leaves_the_rest_unscored_but_for_shhs(tmp_path):
    for name in ("MESA", "SHHS"):
        path, labels, _ = NSRR[name]
        write_nsrr(tmp_path / name, path, labels, content=events(CODES[:10]))
    assert len(read(database("MESA", tmp_path / "MESA"), ("EEG",)).hypnogram.stages) == 10
    with pytest.raises(InputError, match="ends at 0:05:00, the signal at 0:11:30"):
        read(database("SHHS", tmp_path / "SHHS"), ("EEG",))


def test_names_of_channels_are_those_of_the_dataset_and_others_stand_for_themselves():
    assert labels_of("C4_M1", "mesa")[0] == "EEG3"
    assert "EEG3" not in labels_of("C4_M1", "mros")
    assert labels_of("EEG Fpz-Cz", "mros") == ("EEG Fpz-Cz",)


WSC = ("C3_M2", "O1_M2", "E1", "E2", "chin")


def allscore(start=("21:45:00.00", "START RECORDING"), midnight=False):
    texts = {0: "W", 1: "N1", 2: "N2", 3: "N3", 4: "N4", 5: "R", 6: "MVT", 9: "NO STAGE"}
    lines = ["\t".join(start)] if start else []
    for i, code in enumerate(CODES):
        if i == 0 or code != CODES[i - 1]:
            at = (23 if midnight else 21) * 3600 + (55 if midnight else 45) * 60 + 30 * i
            clock = f"{at // 3600 % 24:02}:{at // 60 % 60:02}:{at % 60:02}.00"
            lines += [f"{clock}\tSTAGE - {texts[code]}", f"{clock}\tBODY POSITION: SUPINE \xb0"]
    return "\r\n".join(lines)


CODE_LINES = "".join(f"{i}\t{code % 8}\t0\n" for i, code in enumerate(CODES, 1))
STG = "Epoch\tUser-Defined Stage\tCAST-Defined Stage\n" + CODE_LINES.replace("\t1\t0\n", "\t1\t1\n")


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("stg", STG.replace("8\t1\t1", "8\t7\t0")),
        ("allscore", allscore()),
        ("allscore", allscore(start=None)),
        ("allscore", "20:00:00.00\tSTAGE - W\n" + allscore()),
    ],
)
def test_the_wisconsin_cohort_is_read_by_its_yaml_alone(tmp_path, ending, text):
    write_edf(tmp_path / "wsc-visit2-10119-nsrr.edf", WSC)
    write_text(tmp_path / f"wsc-visit2-10119-nsrr.{ending}.txt", text, "latin-1")
    found = database("WSC", tmp_path)
    (entry,) = found.entries()
    assert (entry.name, entry.subject) == ("wsc-visit2-10119-nsrr", "10119")
    recording = found.read(entry, ("EEG", "EOG", "EMG"))
    assert [one.label for one in recording.signals.values()] == ["C3_M2", "E2 - E1", "chin"]
    assert recording.hypnogram.stages.tolist() == LABELS


def test_times_of_the_wisconsin_cohort_go_over_midnight(tmp_path):
    path = tmp_path / "a.allscore.txt"
    write_text(path, allscore(("23:55:00.00", "START RECORDING"), midnight=True), "latin-1")
    assert read_hypnogram(path, SECONDS).stages.tolist() == LABELS


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.stg.txt", "1\t0\t0\n2 \n", "line 2: '2 ' is no epoch and code of a stage"),
        ("a.stg.txt", "1\t12\t0\n", r"line 1: '1\\t12\\t0' is no epoch and code"),
        ("a.stg.txt", "", "no epoch with a stage"),
        ("a.allscore.txt", "21:45:00.00\tSTART RECORDING\n", "has no line with a time and 'STAGE"),
        ("a.allscore.txt", "21:45:00\tSTAGE - N7", "line 1: unknown stage 'N7'; correct it"),
    ],
)
def test_a_wrong_file_of_the_wisconsin_cohort_is_one_line(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_hypnogram(tmp_path / name, SECONDS)


def test_a_start_that_is_not_that_of_the_edf_is_told(tmp_path):
    write_edf(tmp_path / "wsc-visit2-10119-nsrr.edf", WSC, start=datetime.time(22, 45))
    write_text(tmp_path / "wsc-visit2-10119-nsrr.allscore.txt", allscore(), "latin-1")
    with pytest.warns(InputWarning, match="started at 21:45:00, .*.edf at 22:45:00"):
        read(database("WSC", tmp_path), ("EEG",))


@pytest.mark.parametrize(
    ("name", "text"), [("MESA", "edfs/{visit}/{subject}.edf"), ("MrOS", "edfs/mros.edf")]
)
def test_a_pattern_without_a_subject_or_with_a_field_in_the_folder_is_told(tmp_path, name, text):
    with pytest.raises(InputError, match=r"must have \{subject\} in the name|has no field in br"):
        database(name, tmp_path, recordings=[text])


def test_a_pattern_repeats_its_fields_and_takes_letters_and_digits():
    pattern = Pattern("sub-{subject}/eeg/sub-{subject}_{name}_eeg.edf")
    assert pattern.match("sub-1/eeg/sub-1_task-a b_eeg.EDF") == {"subject": "1", "name": "task-a b"}
    assert pattern.match("sub-1/eeg/sub-2_task_eeg.edf") is None
    assert pattern.match("sub-a.b/eeg/sub-a.b_task_eeg.edf") is None


@pytest.fixture
def server():
    with Server({}) as server:
        yield server
        server.shutdown()


def test_the_wisconsin_cohort_is_listed_and_fetched_with_its_scorings(
    server, tmp_path, monkeypatch
):
    monkeypatch.setenv("NSRR_TOKEN", TOKEN)
    there = tmp_path / "served"
    for visit in (1, 2):
        write_edf(there / f"wsc-visit{visit}-10119-nsrr.edf", WSC)
    write_text(there / "wsc-visit1-10119-nsrr.stg.txt", STG)
    write_text(there / "wsc-visit1-10119-nsrr.log.txt", "")
    write_text(there / "wsc-visit2-10119-nsrr.allscore.txt", allscore(), "latin-1")
    server.files = serving.nsrr(there, "wsc", [""])
    found = database("WSC", tmp_path / "here", fetch={"url": server.url})
    fetch_recordings(found.source, tmp_path / "list", print)
    names = sorted(path.name for path in found.folder.iterdir() if path.name[0] != ".")
    assert names == [
        *("wsc-visit1-10119-nsrr.edf", "wsc-visit1-10119-nsrr.stg.txt"),
        *("wsc-visit2-10119-nsrr.allscore.txt", "wsc-visit2-10119-nsrr.edf"),
    ]
    assert [entry.files[1].name for entry in found.entries()] == [names[1], names[2]]


HMC = ("EEG F4-M1", "EEG C4-M1", "EEG O2-M1", "EEG C3-M2", "EMG chin", "EOG E1-M2", "EOG E2-M2")


def write_hmc(folder, name="SN001"):
    write_edf(folder / f"{name}.edf", HMC)
    texts = {0: "W", 1: "N1", 2: "N2", 3: "N3", 4: "N3", 5: "R"}
    scored = [(30 * i, 30, f"Sleep stage {texts[c]}") for i, c in enumerate(CODES) if c in texts]
    notes = [(0, None, "Lights off@@EEG F4-A1"), *scored]
    edfio.Edf(
        [], annotations=[edfio.EdfAnnotation(*a) for a in notes], starttime=datetime.time(21, 45)
    ).write(folder / f"{name}_sleepscoring.edf")


def test_hmc_is_listed_by_physionet_fetched_and_read(server, tmp_path):
    write_hmc(tmp_path / "served")
    write_text(tmp_path / "served/SN001_sleepscoring.txt", "")
    server.files = serving.physionet(tmp_path / "served", "recordings")
    found = database("HMC", tmp_path / "here", fetch={"url": server.url})
    fetch_recordings(found.source, tmp_path / "list", print)
    assert not found.missing(found.entries())
    assert not (found.folder / "SN001_sleepscoring.txt").exists()
    recording = read(found)
    values = signal("EOG E2-M2") - signal("EOG E1-M2")
    np.testing.assert_allclose(recording.signals["EOG"].values, values, atol=0.02)
    assert recording.signals["EEG"].label == "EEG C4-M1"
    assert recording.hypnogram.stages.tolist() == LABELS
    assert [entry.name for entry in database("HMC", found.folder, fetch=None).entries()] == [
        "SN001"
    ]


def test_sums_without_a_recording_are_one_line(server, tmp_path):
    server.files = {"/SHA256SUMS.txt": f"{'0' * 64} RECORDS\n".encode()}
    found = database("HMC", tmp_path, fetch={"url": server.url})
    with pytest.raises(InputError, match=r"SHA256SUMS.txt: lists no recording as '\{name\}.edf'"):
        found.list_files(print)


ISRUC = ("LOC-A2", "ROC-A1", "F3-A2", "C3-A2", "O1-A2", "F4-A1", "C4-A1", "O2-A1", "X1")


def write_isruc(folder, path="1/1", surplus=0):
    write_edf(folder / f"{path}.rec", ISRUC, rate=200)
    codes = [code if code in (0, 1, 2, 3, 5) else 2 for code in CODES] + [0] * surplus
    for scorer, changed in ((1, codes), (2, [5, *codes[1:]])):
        write_text(folder / f"{path}_{scorer}.txt", "\n".join(map(str, changed)) + "\n\n")


@pytest.mark.parametrize(
    ("name", "path", "recording", "subject"),
    [("ISRUC-1", "1/1", "1", "1"), ("ISRUC-2", "8/2/2", "8-2", "8"), ("ISRUC-3", "9/9", "9", "9")],
)
def test_isruc_has_two_scorers(tmp_path, name, path, recording, subject):
    write_isruc(tmp_path, path)
    found = database(name, tmp_path)
    (entry,) = found.entries()
    assert (entry.name, entry.subject) == (recording, subject)
    night = found.read(entry, ("EEG", "EOG"))
    assert night.signals["EEG"].label == "C4-A1"
    assert night.hypnogram.stages[:6].tolist() == [0, 1, 2, 3, 2, 4]
    assert found.second_scoring(entry).stages[:6].tolist() == [4, 1, 2, 3, 2, 4]


def test_isruc_may_have_half_an_hour_more_of_stages_than_of_signals(tmp_path):
    write_isruc(tmp_path, surplus=30)
    with pytest.warns(InputWarning, match="30 lines after the end of the signal are left out"):
        assert len(read(database("ISRUC-1", tmp_path), ("EEG",)).hypnogram.stages) == 23
    write_isruc(tmp_path, surplus=31)
    with pytest.raises(InputError, match="54 lines are 1620 s, the signal 690 s"):
        read(database("ISRUC-1", tmp_path), ("EEG",))


DREEM = {"eeg": ("C3_M2", "F3_F4"), "eog": ("EOG1", "EOG2"), "emg": ("EMG",)}


def write_dreem(folder, name="095d6e40", rate=250, scorers=()):
    folder.mkdir(parents=True, exist_ok=True)
    paths = [f"signals/{kind}/{label}" for kind, labels in DREEM.items() for label in labels]
    with h5py.File(folder / f"{name}.h5", "w") as file:
        for path in paths:
            file[path] = signal(path.rpartition("/")[2], rate).astype("f4")
        file["hypnogram"] = np.where(np.array(LABELS) == UNSCORED, -1, LABELS)
        file.attrs["description"] = json.dumps([{"path": path, "fs": rate} for path in paths])
    for number, stages in enumerate(scorers, 1):
        write_text(folder / f"scorers/scorer_{number}/{name}.json", json.dumps(stages))


@pytest.mark.parametrize("name", ["DOD-H", "DOD-O"])
def test_dreems_recordings_are_hdf5_with_the_consensus(tmp_path, name):
    write_dreem(tmp_path)
    found = database(name, tmp_path)
    recording = read(found)
    assert recording.signals["EEG"].label == "C3_M2"
    np.testing.assert_allclose(
        recording.signals["EOG"].values, signal("EOG2", 250) - signal("EOG1", 250), atol=1e-3
    )
    assert recording.hypnogram.stages.tolist() == LABELS
    assert found.second_scoring(found.entries()[0]) is None


def test_one_of_five_scorers_is_beside_the_majority_of_the_others(tmp_path):
    two, rem = [2] * 23, [4] * 23
    write_dreem(tmp_path, scorers=[rem, two, two, [*two[:-1], 1], rem])
    scorers = {"scorers": str(tmp_path / "scorers")}
    found = database("DOD-H", tmp_path, **scorers, reference=[2, 3, 4, 5], second=1)
    (entry,) = found.entries()
    assert [path.parent.name for path in entry.files[1:]] == [f"scorer_{n}" for n in (2, 3, 4, 5)]
    assert found.read(entry, ("EEG",)).hypnogram.stages.tolist() == two
    assert found.second_scoring(entry).stages.tolist() == rem
    write_text(tmp_path / "scorers/scorer_3/095d6e40.json", json.dumps(two[1:]))
    with pytest.raises(InputError, match=r"095d6e40.json: has 22 epochs, scorer_2 23; check"):
        found.read(entry, ("EEG",))
    write_text(tmp_path / "scorers/scorer_3/095d6e40.json", "[7]")
    with pytest.raises(DamagedError, match="is no list of stages from -1 to 4"):
        found.read(entry, ("EEG",))


def test_in_a_tie_the_scorer_counts_who_agrees_best_with_the_others():
    scored = [[0, 1, 2, 4], [0, 1, 4, 3], [1, 1, 2, 3], [1, 4, 2, 3]]
    for order in (scored, scored[::-1]):
        assert majority([np.array(one) for one in order]).tolist() == scored[2]
    nobody = [np.array([UNSCORED, 2])] * 3
    assert majority([*nobody, np.array([2, 2])]).tolist() == [UNSCORED, 2]


def test_a_damaged_recording_of_dreem_is_one_line(tmp_path):
    write_dreem(tmp_path)
    path = tmp_path / "095d6e40.h5"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DamagedError, match=r"095d6e40.h5: not readable as a recording \([^\n]+\)"):
        read(database("DOD-H", tmp_path))


BOAS = ("PSG_C3", "PSG_C4", "PSG_EOG", "PSG_EMG")


def write_bids(folder, subject="1", ending="edf", session=""):
    name = f"sub-{subject}{session and f'_ses-{session}'}_task-Sleep_acq-psg"
    path = folder / f"sub-{subject}" / (session and f"ses-{session}") / f"eeg/{name}_eeg.{ending}"
    if ending == "edf":
        write_edf(path, BOAS)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        info = mne.create_info(list(BOAS), 100, ["eeg", "eeg", "eog", "emg"])
        raw = mne.io.RawArray([1e-6 * signal(label) for label in BOAS], info, verbose="error")
        raw.set_meas_date(datetime.datetime(2020, 1, 1, 21, 45, tzinfo=datetime.UTC))
        mne.export.export_raw(path, raw, verbose="error") if ending != "fif" else raw.save(
            path, verbose="error"
        )
    codes = [{5: 4, 4: 3, 6: 8, 9: -2}.get(code, code) for code in CODES]
    rows = [f"{30 * i}\t30\t{256 * 30 * i + 1}\t{code}\t0" for i, code in enumerate(codes)]
    text = "\n".join(["onset\tduration\tbegsample\tstage_hum\tstage_ai", *rows])
    write_text(path.parent / f"{name}_events.tsv", text)


def test_a_folder_in_bids_is_read_by_its_yaml_alone(tmp_path):
    for subject in ("1", "2", "10"):
        write_bids(tmp_path, subject)
    rows = ["participant_id\tpid", "sub-1\tA", "sub-2\tB", "sub-10\tA"]
    write_text(tmp_path / "participants.tsv", "\n".join(rows))
    found = database("BOAS", tmp_path)
    assert {entry.name: entry.subject for entry in found.entries()} == {
        **{"1": "A", "2": "B", "10": "A"}
    }
    recording = read(found)
    assert [one.label for one in recording.signals.values()] == ["PSG_C4", "PSG_EOG", "PSG_EMG"]
    assert recording.hypnogram.stages.tolist() == LABELS


BIDS = {
    "people": None,
    "recordings": ["sub-{subject}/ses-{session}/eeg/{name}_eeg.fif"],
    "hypnogram": {"file": "sub-{subject}/ses-{session}/eeg/{name}_events.tsv"},
    "labels": {"EEG": ["PSG_C4 - PSG_C3"], "EOG": ["PSG_EOG"], "EMG": ["PSG_EMG"]},
}


def test_bids_with_sessions_in_a_format_that_mne_reads(tmp_path):
    for session in ("1", "2"):
        write_bids(tmp_path, session=session, ending="fif")
    found = database("BOAS", tmp_path, **BIDS)
    names = [f"sub-1_ses-{session}_task-Sleep_acq-psg" for session in (1, 2)]
    assert [(e.name, e.subject) for e in found.entries()] == [(name, "1") for name in names]
    recording = read(found)
    values = signal("PSG_C4") - signal("PSG_C3")
    np.testing.assert_allclose(recording.signals["EEG"].values, values, atol=1e-3)
    assert recording.hypnogram.stages.tolist() == LABELS
    found.entries()[0].files[0].write_bytes(b"no FIF")
    with pytest.raises(DamagedError, match=r"_eeg.fif: not readable by MNE \("):
        read(found)


def test_a_hypnogram_may_only_have_the_fields_of_the_recordings(tmp_path):
    wrong = BIDS | {"hypnogram": {"file": "{subject}/{night}.tsv"}}
    with pytest.raises(InputError, match=r"hypnogram.file has \{night\}, but the recordings 'sub-"):
        database("BOAS", tmp_path, **wrong)


def test_every_database_that_is_delivered_has_its_facts_and_a_page():
    pages = "".join(path.read_text() for path in (ROOT / "docs/reference/databases").glob("*.md"))
    for path in (ROOT / "config/databases").glob("*.yaml"):
        source = yaml.safe_load(path.read_text())["source"]
        if source["reader"] in ("nsrr", "physionet", "dreem"):
            about = source["about"]
            assert about["title"] and about["access"] and about["cited"]
            assert f"`{path.stem}`" in pages or f"# {path.stem}" in pages
            assert source["reader"] in READERS
