"""Comparison of what `xsleep score` wrote with scorings in other formats."""

import csv
import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import edfio
import mne
import numpy as np
import pandas as pd
import pytest

from tests.helpers.recordings import SHARED, existing
from xsleep.cli import main
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES, UNSCORED
from xsleep.staging.hypnograms import read_scoring, stage_of
from xsleep.staging.scored import Scored, Taken

START = datetime(2001, 1, 1, 23, 50, 0)
NIGHT = [0, 0, 1, 2, 2, 3, 3, 4, 4, 0] * 4
NAMES = [STAGES[stage] for stage in NIGHT]
RK = {"W": "W", "N1": "1", "N2": "2", "N3": "4", "REM": "R"}
FRENCH = {"W": "Éveil", "N1": "N1", "N2": "N2", "N3": "N3", "REM": "REM"}


def write_scored(path, stages=NIGHT, bad=(), start=START):
    """Write what `xsleep score` would have for these stages."""
    stages = np.array(stages)
    probabilities = np.eye(5)[stages]
    probabilities[list(bad)] = np.nan
    channels = {"EEG": Taken("C4-M1", "by its electrodes", "uV", 128.0)}
    facts = {"name": "mine", "system": "ARNN+RNN", "trained_on": "nothing"}
    onsets = 30.0 * np.arange(len(stages))
    scored = Scored(
        name="night.edf",
        start=start,
        onsets=onsets,
        probabilities=probabilities,
        bad=np.isin(np.arange(len(stages)), list(bad)),
        channels=channels,
        network=facts,
        normalisation="night",
        doubts=(),
        spectrum=np.zeros((len(stages), 129)),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    scored.save(path)
    return path


def evaluated(capsys, *arguments, status=0):
    """The JSON that the command prints, and the lines on stderr."""
    assert main(["evaluate", *map(str, arguments), "--json"]) == status
    printed = capsys.readouterr()
    return printed.out and json.loads(printed.out), printed.err


def clocks(pattern, step=30, start=START):
    return [(start + timedelta(seconds=step * i)).strftime(pattern) for i in range(len(NIGHT))]


def rows(*columns, separator=",", head=()):
    lines = [separator.join(map(str, row)) for row in zip(*columns, strict=True)]
    return "\n".join([*head, *lines]) + "\n"


def each(labels):
    return [labels[name] for name in NAMES]


ONSETS = [30 * i for i in range(len(NIGHT))]
COMMAS = [f"{onset},0" for onset in ONSETS]
THIRTY = [30] * len(NIGHT)
BOUNDS = [0, *np.flatnonzero(np.diff(NIGHT)) + 1]

TEXTS = {
    "onset, duration, stage": rows(ONSETS, THIRTY, NAMES, head=["onset,duration,stage"]),
    "BIDS": rows(ONSETS, THIRTY, each(RK), separator="\t", head=["onset\tduration\ttrial_type"]),
    "semicolons and decimal commas": rows(
        COMMAS, COMMAS[1:2] * len(NIGHT), NAMES, separator=";", head=["Onset;Duration;Stage"]
    ),
    "stretches until the next": rows(
        [ONSETS[i] for i in BOUNDS], [NAMES[i] for i in BOUNDS], head=["time,stage"]
    ),
    "elapsed time": rows(
        clocks("%H:%M:%S", start=datetime(2001, 1, 1)), NAMES, head=["Time,Stage"]
    ),
    "times of day over midnight": rows(clocks("%H:%M:%S"), NAMES, head=["Time,Stage"]),
    "times of day without a heading": rows(clocks("%H:%M:%S"), NAMES),
    "day first": rows(
        clocks("%d/%m/%Y %H:%M:%S"),
        clocks("%d/%m/%Y %H:%M:%S", start=START + timedelta(seconds=30)),
        each(FRENCH),
        head=["Heure de début,Heure de fin,Événement", "[],[],[]"],
    ).encode("utf-16"),
    "month first": rows(clocks("%m/%d/%Y %I:%M:%S %p"), NAMES, head=["Start,Event"]),
    "ISO": rows(clocks("%Y-%m-%dT%H:%M:%S.000"), NAMES, head=["clock,event"]),
    "as RemLogic exports it": rows(
        NAMES,
        ["Supine"] * len(NIGHT),
        clocks("%H:%M:%S"),
        [f"SLEEP-{RK[name] if name in 'W REM' else 'S' + RK[name]}" for name in NAMES],
        THIRTY,
        separator="\t",
        head=[
            "RemLogic Event Export",
            "Patient:\tX",
            "",
            "Sleep Stage\tPosition\tTime [hh:mm:ss]\tEvent\tDuration[s]",
        ],
    ),
    "as MNE writes it": "# MNE-Annotations\n"
    + rows(
        ONSETS,
        THIRTY,
        [f"Sleep stage {text}" for text in each(RK)],
        head=["# onset, duration, description"],
    ),
    "a row for each epoch": rows(range(1, 41), NAMES, head=["Epoch,Stage"]),
    "a line for each epoch": "\n".join(each(FRENCH)),
    "Windows-1252": "\n".join(each(FRENCH)).encode("cp1252"),
    "with a title": "\n".join(["Hypnogram", *NAMES, ""]),
    "a line for each 10 s": "\n".join(name for name in NAMES for _ in range(3)),
    "R&K": "\n".join(each(RK)),
    "numbers, 5 is REM": "\n".join(each({"W": "0", "N1": "1", "N2": "2", "N3": "4", "REM": "5"})),
    "numbers, 4 is REM": "\n".join(map(str, NIGHT)),
    "numbers of NumPy": "\n".join(f"{stage:.18e}" for stage in NIGHT),
    "a column of numbers": rows(ONSETS, NIGHT, head=["onset,sleep stage"]),
    "words only": rows(NAMES, ["AB"] * len(NIGHT), head=["stage,scorer"]),
    "rows of several lengths": rows(
        ONSETS,
        [f"{name}," if i % 4 else f"{name},,x" for i, name in enumerate(NAMES)],
        head=["onset,stage"],
    ),
    "blank rows": rows(ONSETS, NAMES, head=["onset,stage"]) + ",\n,\n",
    "numbers of other events": rows([*ONSETS, 7, 8], [*NAMES, 1, 2], head=["onset,stage"]),
    "DREAMS": "\n".join(
        ["[Hypnogram]", *(str([5, 3, 2, 1, 4][stage]) for stage in NIGHT for _ in range(6))]
    ),
}


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
def test_a_text_of_any_usual_kind_is_read_by_its_content(tmp_path, capsys, content):
    scored = write_scored(tmp_path / "night_hypnogram.tsv")
    path = tmp_path / "other.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    told, _ = evaluated(capsys, scored, path)
    assert (told["compared"], told["accuracy"], told["kappa"]) == (40, 100, 1)


def write_annotations(path, texts, durations, before=0):
    start = START - timedelta(seconds=before)
    annotations = [
        edfio.EdfAnnotation(30.0 * i + before, length, text)
        for i, (text, length) in enumerate(zip(texts, durations, strict=True))
    ]
    edfio.Edf(
        [],
        recording=edfio.Recording(startdate=start.date()),
        starttime=start.time(),
        annotations=annotations,
    ).write(path)
    return path


@pytest.mark.parametrize("before", [0, 90])
@pytest.mark.parametrize("duration", [30, None])
def test_edf_annotations_count_from_their_own_start(tmp_path, capsys, before, duration):
    scored = write_scored(tmp_path / "night_hypnogram.tsv")
    texts = [f"Sleep stage {text}" for text in each(RK)]
    path = write_annotations(tmp_path / "x.edf", texts, [duration] * 40, before)
    told, _ = evaluated(capsys, scored, path)
    assert (told["compared"], told["accuracy"]) == (40, 100)


@pytest.mark.parametrize("cropped", [0, 60])
def test_annotations_of_a_fif_are_stages(tmp_path, capsys, cropped):
    raw = mne.io.RawArray(np.zeros((1, 1260)), mne.create_info(["C4"], 1.0, "eeg"), verbose="error")
    raw.set_meas_date((START - timedelta(seconds=cropped)).replace(tzinfo=UTC))
    onsets = 30.0 * np.arange(40) + cropped
    raw.set_annotations(mne.Annotations(onsets, 30.0, [f"Sleep stage {n}" for n in NAMES]))
    raw.crop(cropped).save(tmp_path / "x_raw.fif", verbose="error")
    told, _ = evaluated(capsys, write_scored(tmp_path / "n_hypnogram.tsv"), tmp_path / "x_raw.fif")
    assert (told["compared"], told["accuracy"]) == (40, 100)


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".edf"])
def test_another_output_of_xsleep_score_is_a_scoring(tmp_path, capsys, suffix):
    scored = write_scored(tmp_path / "one" / "night_hypnogram.csv")
    other = write_scored(tmp_path / "two" / f"night_hypnogram{suffix}", bad=[3])
    told, _ = evaluated(capsys, scored, other)
    assert (told["compared"], told["unscored"], told["accuracy"]) == (39, 1, 100)


LABELS = {
    "W": "W w Wake AWAKE Éveil éveil wach Stage_W SLEEP-S0 Wake|0 Sleep_stage_W Veglia",
    "N1": "N1 n1 S1 NREM1 Non-REM_1 Stage_1_sleep|1 Stade_N1 Sleep_stage_1 stage-1",
    "N2": "N2 S2 Sleep_stage_N2 SLEEP-S2 nrem_2 Schlafstadium_2",
    "N3": "N3 N4 S3 S4 Sleep_stage_4 Stage_3 NREM4 SWS",
    "REM": "R REM Sleep_stage_R SLEEP-REM REM_sleep|5 Sommeil_paradoxal Stage_-_R",
    None: "? MT Movement_time Sleep_stage_? Unscored|9 n/a Stage_-_No_Stage",
}


@pytest.mark.parametrize(("stage", "spellings"), LABELS.items())
def test_labels_in_any_usual_spelling(stage, spellings):
    expected = UNSCORED if stage is None else STAGES.index(stage)
    found = {text: stage_of(text.replace("_", " ")) for text in spellings.split()}
    assert set(found.values()) == {expected}, found
    assert all(stage_of(text) == expected for text in spellings.split())


@pytest.mark.parametrize(
    "text",
    ["1", "0", "Arousal", "Désat", "sleep", "Micro-éveil", "Dos", "MJ", "Artefact", "R2", ""],
)
def test_other_texts_are_no_stages(text):
    assert stage_of(text) is None


# What is doubtful is told, and what cannot be known is refused.


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("\n".join(map(str, NIGHT)), "read as 0 W, 1 N1, 2 N2, 3 N3, 4 REM; if that is wrong"),
        ("\n".join(str(s + (s > 2)) for s in NIGHT), "0 W, 1 N1, 2 N2, 4 N3, 5 REM; if that"),
        ("\n".join(name for name in NAMES for _ in range(3)), "read as one every 10 s"),
        (
            rows(ONSETS, NAMES, head=["onset,stage", "5,Arousal", "6,Arousal", "7,Leg"]),
            "3 events that are no stages are left out: 'Arousal' (2), 'Leg' (1)",
        ),
        (rows(ONSETS[:10], NAMES[:10], head=["onset,stage"]), "only 10 of 40 epochs can be"),
        ("\n".join(["Night 1", *NAMES]), "line 1, 'Night 1', is taken for a title"),
        ("\n".join(["Artefact", *NAMES[1:]]), "1 events that are no stages are left out: 'Artef"),
        ("\n".join(NAMES[5:] + NAMES[:5]), "check that it belongs to the recording of"),
    ],
)
def test_what_is_doubtful_is_told(tmp_path, capsys, content, expected):
    scored = write_scored(tmp_path / "night_hypnogram.tsv")
    (tmp_path / "x.csv").write_text(content)
    _, said = evaluated(capsys, scored, tmp_path / "x.csv")
    assert f"warning: {tmp_path / 'x.csv'}: " in said and expected in said


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "\n".join(str(stage + 1) for stage in NIGHT),
            "not certain what its numbers 1, 2, 3, 4, 5",
        ),
        ("\n".join(NAMES[:33]), "33 labels without onsets do not fill a recording of 1200 s"),
        ("a\nb\n", "no stage in it (W, N1, N2, N3, REM in a usual spelling), but 'a' (1), 'b' (1)"),
        (rows(ONSETS, ONSETS, head=["a,b"]), "no column of stages"),
        ("", "no stage in it"),
        ("onset,stage\n", "no stage in it"),
        ('"' + rows(ONSETS, NAMES) * 300, "no stage in it"),
        (bytes(range(1, 256)) + bytes(9), "no text, and no recording that is known"),
        (
            rows(
                clocks("%d/%m/%Y %H:%M:%S", start=datetime(2001, 1, 9)), NAMES, head=["time,stage"]
            ),
            "begins 168:10:00 after the start of the recording, 2001-01-01 23:50:00; check",
        ),
        (rows([10**6], ["W"], head=["onset,stage"]), "no epoch of"),
        (
            rows([*ONSETS[:-1], "late"], NAMES, head=["onset,stage"]),
            "'late' in the column 'onset' is no time like the others",
        ),
        (rows(["31/12/2001 1:00:00"], ["W"], head=["t,stage"]), "begins"),
    ],
)
def test_what_is_not_certain_is_one_line(tmp_path, capsys, content, expected):
    scored = write_scored(tmp_path / "night_hypnogram.tsv")
    path = tmp_path / "x.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    _, said = evaluated(capsys, scored, path, status=1)
    (line,) = (line for line in said.splitlines() if line.startswith("error: "))
    assert line.startswith(f"error: {path}: ") and expected in line


def test_times_of_day_need_the_start_of_the_recording(tmp_path, capsys):
    scored = write_scored(tmp_path / "night_hypnogram.tsv")
    (tmp_path / "x.csv").write_text(TEXTS["times of day over midnight"])
    scored.with_suffix(".json").unlink()
    _, said = evaluated(capsys, scored, tmp_path / "x.csv", status=1)
    assert "x.csv: has times of day, and nothing tells when" in said
    path = write_annotations(tmp_path / "x.edf", NAMES, [30] * 40)
    told, said = evaluated(capsys, scored, path)
    assert told["accuracy"] == 100
    assert "x.edf: taken to begin with" in said


def test_an_epoch_is_compared_where_it_lies_wholly_in_one_stage(tmp_path, capsys):
    stages = [0, 0, 1, 1, 2, 2, 2, 3, 3, 3]
    scored = write_scored(tmp_path / "n_hypnogram.tsv", stages, bad=[9])
    marks = [(10, 60, "W"), (70, 60, "N1"), (130, 10, "?"), (140, 40, "N2"), (210, 60, "N3")]
    (tmp_path / "x.csv").write_text(rows(*zip(*marks, strict=True), head=["onset,duration,stage"]))
    told, _ = evaluated(capsys, scored, tmp_path / "x.csv")
    # 0-30: begins before the scoring; 60-90, 120-150: two stages; 180-210: none.
    assert {name: told[name] for name in ("compared", "bad", "outside", "unscored", "divided")} == {
        "compared": 5,
        "bad": 1,
        "outside": 1,
        "unscored": 1,
        "divided": 2,
    }
    assert told["confusion"] == np.diag([1, 1, 1, 2, 0]).tolist()


def test_metrics_are_those_of_the_paper_and_of_each_stage(tmp_path, capsys):
    predicted = [*NIGHT[:30], *[2] * 10]
    scored = write_scored(tmp_path / "night_hypnogram.tsv", predicted)
    (tmp_path / "x.txt").write_text("\n".join(NAMES))
    told, _ = evaluated(capsys, scored, tmp_path / "x.txt")
    from sklearn import metrics

    assert told["accuracy"] == pytest.approx(100 * metrics.accuracy_score(NIGHT, predicted))
    assert told["kappa"] == pytest.approx(metrics.cohen_kappa_score(NIGHT, predicted))
    assert told["MF1"] == pytest.approx(100 * metrics.f1_score(NIGHT, predicted, average="macro"))
    assert told["confusion"] == metrics.confusion_matrix(NIGHT, predicted).tolist()
    for number, stage in enumerate(STAGES):
        true, given = (np.equal(of, number) for of in (NIGHT, predicted))
        assert told["stages"][stage]["kappa"] == pytest.approx(
            metrics.cohen_kappa_score(true, given)
        )
        assert told["stages"][stage]["F1"] == pytest.approx(100 * metrics.f1_score(true, given))


# Files are paired by the names of their recordings.


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("night_hypnogram.tsv", "night.csv"),
        ("night_hypnogram.tsv", "Hypnogram_night.csv"),
        ("night_hypnogram.csv", "night-Hypnogram.csv"),
        ("night-PSG_hypnogram.tsv", "NIGHT_stages.csv"),
        ("sub-01_task-sleep_eeg_hypnogram.tsv", "sub-01_task-sleep_events.tsv"),
        ("SC4001E0-PSG_hypnogram.tsv", "SC4001EC-Hypnogram.csv"),
    ],
)
def test_files_of_folders_are_paired_by_name(tmp_path, capsys, ours, theirs):
    for folder in (tmp_path, tmp_path / "theirs"):
        folder.mkdir(exist_ok=True)
        write_scored(tmp_path / ours)
        content = TEXTS["onset, duration, stage"]
        (folder / theirs).write_text(content.replace(",", "\t") if "tsv" in theirs else content)
        told, _ = evaluated(capsys, tmp_path, folder)
        assert [row["scoring"] for row in told["recordings"]] == [str(folder / theirs)]
        (folder / theirs).unlink()


def test_names_with_dots_are_of_different_recordings(tmp_path, capsys):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    for name in ("s.n1", "s.n2"):
        write_scored(ours / f"{name}_hypnogram.tsv")
        (theirs / f"{name}.csv").write_text(TEXTS["onset, duration, stage"])
    told, _ = evaluated(capsys, ours, theirs)
    assert [Path(row["scoring"]).name for row in told["recordings"]] == ["s.n1.csv", "s.n2.csv"]


def test_several_nights_go_on_and_what_has_no_partner_is_told(tmp_path, capsys):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.mkdir()
    for name in ("a", "b", "c", "d"):
        for suffix in ("tsv", "csv", "edf"):
            write_scored(ours / f"{name}_hypnogram.{suffix}")
    for name in ("a_hypnogram", "b_hypnogram", "d", "d_hypnogram", "Hypnogram_d", "e_hypnogram"):
        (theirs / f"{name}.txt").write_text("\n".join(NAMES[: 40 if name != "b_hypnogram" else 7]))
    shutil.copy(ours / "a_hypnogram.edf", theirs / "a.edf")  # a recording by its name
    told, said = evaluated(capsys, ours, theirs, "--out", tmp_path / "x.csv", status=1)
    assert [row["recording"] for row in told["recordings"]] == ["a"]
    assert told["recordings"][0]["scoring"] == str(theirs / "a_hypnogram.txt")
    assert "b_hypnogram.txt: 7 labels without onsets do not fill" in said
    assert "c_hypnogram.tsv: no scoring of this recording in" in said
    assert "Hypnogram_d.txt and " in said and "are both of this recording; name one" in said
    assert "scorings of other recordings: 1 (" in said and "e_hypnogram.txt" in said
    table = pd.read_csv(tmp_path / "x.csv")
    assert table[["recording", "compared", "accuracy"]].values.tolist() == [["a", 40, 100]]


def test_tables_are_printed(tmp_path, capsys):
    scored = write_scored(tmp_path / "night_hypnogram.tsv", bad=[0])
    (tmp_path / "x.txt").write_text("\n".join(NAMES))
    assert main(["evaluate", str(scored), str(tmp_path / "x.txt")]) == 0
    printed = capsys.readouterr().out
    assert "1 recording, 39 epochs compared; left out: 1 with bad signals" in printed
    for words in (" acc.  kappa    MF1", " as W  as N1", "100.0  1.000", "N2 ", "night_hypnogram"):
        assert words in printed


def test_only_what_xsleep_score_wrote_is_evaluated(tmp_path, capsys):
    (tmp_path / "x.csv").write_text(TEXTS["onset, duration, stage"])
    _, said = evaluated(capsys, tmp_path / "x.csv", tmp_path / "x.csv", status=1)
    assert "x.csv: not written by xsleep score" in said
    _, said = evaluated(capsys, tmp_path, tmp_path, status=1)
    assert "no hypnogram that xsleep score wrote" in said
    _, said = evaluated(capsys, tmp_path / "none", tmp_path, status=1)
    assert "none: no such file or folder" in said


# Real files.


def test_a_nights_events_of_noxturnal(tmp_path, capsys):
    events = existing(SHARED / "data" / "noxturnal") / "events.csv"
    with events.open(encoding="utf-16", newline="") as file:
        labels = [row[2] for row in csv.reader(file)]
    back = {text: STAGES.index(name) for name, text in FRENCH.items()}
    stages = np.array([back[text] for text in labels if text in back])
    start = datetime(2001, 1, 1, 23, 45, 40)
    scored = write_scored(tmp_path / "night_hypnogram.tsv", stages, start=start)
    told, said = evaluated(capsys, scored, events)
    # The recording starts 20 s before the first of the scored epochs.
    same = stages[1:] == stages[:-1]
    assert (told["compared"], told["outside"]) == (same.sum(), 1)
    assert (told["divided"], told["accuracy"]) == ((~same).sum(), 100)
    assert "564 events that are no stages are left out: 'Désat' (191)" in said


def test_the_hypnogram_of_a_sleep_edf_recording(sleep_edf_fragment):
    found = read_scoring(sleep_edf_fragment / "SC4001EC-Hypnogram.edf")
    assert found.start == datetime.combine(date(1989, 4, 24), datetime(1, 1, 1, 16, 13).time())
    assert sum(found.seconds.values()) == 79500


def test_the_hypnograms_of_dreams(dreams_folder, tmp_path, capsys):
    for number in (1, 2):
        write_scored(tmp_path / f"excerpt{number}_hypnogram.tsv", [2] * 60, start=None)
    told, _ = evaluated(capsys, tmp_path, dreams_folder)
    assert len(told["recordings"]) == 2
    assert told["compared"] + told["divided"] + told["unscored"] == 120


def test_numbers_that_count_down_from_wake_are_refused():
    folder = existing(SHARED / "data" / "bwh_dynamo")
    with pytest.raises(InputError, match="not certain what its numbers 1, 2, 3, 4, 5 mean"):
        read_scoring(folder / "segment_stages.csv")
