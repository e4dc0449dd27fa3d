"""The command ``xsleep score``: recordings in, files and a summary out."""

import json
import subprocess
import sys

import numpy as np
import pytest
from edfio import Edf, EdfAnnotation

from tests.helpers.recordings import NETWORK
from tests.staging.test_score import waves, write_edf
from xsleep.cli import main
from xsleep.networks import build, checkpoints


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "run" / "model.safetensors"
    checkpoints.save(path, build("ARNN+RNN", 1, NETWORK, 3).eval(), "ARNN+RNN", ("EEG",))
    return path.parent


@pytest.fixture
def nights(tmp_path):
    folder = tmp_path / "nights"
    folder.mkdir()
    for number in (1, 2):
        write_edf(folder / f"s.n{number}.edf", [("C4-M1", waves(number)), ("ECG", waves(9))])
    return folder


def run(*arguments):
    return main(["score", *map(str, arguments)])


def test_a_folder_is_scored_into_another_with_a_summary_of_each(tmp_path, model, nights, capsys):
    assert run(nights, "--model", model, "--out", tmp_path / "out") == 0
    told = capsys.readouterr().out
    for number in (1, 2):
        assert f"s.n{number}.edf: 40 epochs scored by {model}" in told
    assert "EEG: C4-M1 (by its electrodes, 128 Hz)" in told
    assert "spectrograms normalised by this recording" in told
    assert "2 of 2 recordings scored" in told
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    ends = ("edf", "json", "png", "tsv")
    assert written == [f"s.n{number}_hypnogram.{end}" for number in (1, 2) for end in ends]


def test_hostile_names_are_names_and_their_files_stay_in_the_folder(
    tmp_path, model, nights, capsys, monkeypatch
):
    monkeypatch.chdir(nights)
    names = ("$(touch x)", "a b;touch x", "{x}%s", "-n", "--help", "=1+1")
    for name in names:
        (nights / f"{name}.edf").write_bytes((nights / "s.n1.edf").read_bytes())
    before = sorted(path.name for path in nights.iterdir())
    assert run(nights, "--model", model, "--out", "../out", "--format", "csv") == 0
    assert sorted(path.name for path in nights.iterdir()) == before
    found = {path.name.removesuffix("_hypnogram.csv") for path in (tmp_path / "out").iterdir()}
    assert found == {*names, "s.n1", "s.n2"}
    assert {path.name for path in tmp_path.iterdir()} == {"nights", "out", "run"}
    assert "Traceback" not in capsys.readouterr().err


def test_one_bad_recording_does_not_keep_the_others_from_being_scored(
    tmp_path, model, nights, capsys
):
    write_edf(nights / "bad.edf", [("C4-M1", np.zeros(128 * 1200))])
    (nights / "damaged.edf").write_bytes(b"0       ")
    (nights / "._s.n1.edf").write_bytes(b"of macOS")
    assert run(nights, "--model", model, "--out", tmp_path / "out", "--format", "csv") == 1
    told = capsys.readouterr()
    assert "2 of 4 recordings scored" in told.out
    bad, damaged = told.err.strip().splitlines()
    assert bad.startswith(f"error: {nights / 'bad.edf'}: EEG channel 'C4-M1' is constant")
    assert damaged.startswith(f"error: {nights / 'damaged.edf'}: not readable as EDF")
    assert len([*(tmp_path / "out").iterdir()]) == 2


def test_what_was_scored_before_is_no_recording_of_the_folder(model, nights, capsys):
    assert run(nights, "--model", model, "--out", nights, "--format", "edf") == 0
    assert run(nights, "--model", model, "--out", nights, "--format", "edf") == 0
    assert "2 of 2 recordings scored" in capsys.readouterr().out


def test_scorings_beside_the_recordings_of_a_folder_are_left_out(model, nights, tmp_path, capsys):
    stages = [EdfAnnotation(30 * n, 30, "Sleep stage W") for n in range(4)]
    Edf([], annotations=stages).write(nights / "s.n1_scoring.edf")
    assert run(nights, "--model", model, "--out", tmp_path, "--format", "csv") == 0
    assert "2 of 2 recordings scored" in capsys.readouterr().out


def test_recordings_are_scored_side_by_side_as_one_after_the_other(tmp_path, model, nights):
    for jobs in (1, 2):
        arguments = ("--model", model, "--out", tmp_path / f"{jobs}", "--format", "csv")
        assert run(nights, *arguments, "--jobs", jobs) == 0
    for name in ("s.n1_hypnogram.csv", "s.n2_hypnogram.csv"):
        one, two = (np.genfromtxt(tmp_path / jobs / name, delimiter=",") for jobs in "12")
        np.testing.assert_allclose(one[1:, 3:], two[1:, 3:], atol=1e-3)


def test_json_is_a_line_a_recording(tmp_path, model, nights, capsys):
    assert run(nights, "--model", model, "--out", tmp_path, "--json", "--format", "tsv") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["epochs"] for line in lines] == [40, 40]
    assert lines[0]["files"] == [str(tmp_path / f"s.n1_hypnogram.{end}") for end in ("tsv", "json")]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nosuch.edf"], "nosuch.edf: no such file; name a recording or a folder of them"),
        (["empty"], "empty: no recording in it"),
        (["x.edf", "--model", "nosuch"], "nosuch: no such network; name a run folder"),
    ],
)
def test_what_is_mistyped_is_told_before_pytorch_is_loaded(tmp_path, arguments, expected):
    (tmp_path / "x.edf").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    code = (
        "import sys; from xsleep.cli import main; status = main(sys.argv[1:]); "
        "assert not {'torch', 'mne', 'pandas', 'yasa'} & sys.modules.keys(); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "score", *arguments],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {expected}")
    assert done.stderr.count("\n") == 1


def test_two_recordings_of_one_name_are_refused(tmp_path, model, nights, capsys):
    other = tmp_path / "other"
    other.mkdir()
    write_edf(other / "s.n1.bdf", [("C4-M1", waves())])
    assert run(nights, other / "s.n1.bdf", "--model", model, "--out", tmp_path) == 1
    assert "s.n1: several recordings have this name" in capsys.readouterr().err
