"""Description of files by `xsleep info`."""

import json
from dataclasses import replace

import edfio
import mne
import numpy as np
import pytest

from tests.helpers.recordings import (
    NETWORK,
    SHARED,
    edf_signal,
    existing,
    make_part,
    write_recording,
)
from tests.staging.test_evaluate import write_scored
from xsleep.cli import main
from xsleep.networks import build, checkpoints
from xsleep.store.predictions import Prediction, write_predictions
from xsleep.store.recordings import read_stored, write_index


def told(capsys, *arguments, status=0):
    assert main(["info", *map(str, arguments)]) == status
    printed = capsys.readouterr()
    return printed.err if status else printed.out


def test_a_recording_and_what_it_would_be_scored_by(tmp_path, capsys):
    labels = ("F4-M1", "C4-M1", "E1-M2", "Chin1")
    signals = [edf_signal(label, 60) for label in labels]
    signals += [edf_signal("SpO2", 60, rate=1, dimension="%"), edf_signal("E2", 60)]
    signals += [edf_signal("EMG", 60, rate=10)]
    edfio.Edf(signals).write(tmp_path / "n.edf")
    printed = told(capsys, tmp_path / "n.edf")
    assert "n.edf: recording of 0:01:00, 7 signals at 1, 10, 100 Hz" in printed
    assert "EEG: C4-M1 (as the network was trained); fit as well: F4-M1" in printed
    assert "EOG: E1-M2 (by its electrodes); fit as well: E2" in printed
    assert "EMG: Chin1 (by its electrodes)" in printed
    rows = [line.split() for line in told(capsys, tmp_path / "n.edf", "--channels").splitlines()]
    assert ["C4-M1", "uV", "EEG", "EEG:", "C4-M1", "100"] in rows
    assert ["F4-M1", "uV", "EEG", "100"] in rows
    assert ["SpO2", "%", "1"] in rows
    assert ["EMG", "uV", "EMG,", "too", "slow", "10"] in rows


def test_a_derivation_that_would_be_made_is_marked_at_both_of_its_signals(tmp_path, capsys):
    raw = mne.io.RawArray(
        np.zeros((3, 6000)), mne.create_info(["C4", "M1", "x"], 100.0, ["eeg", "eeg", "stim"])
    )
    raw.save(tmp_path / "x_raw.fif", verbose="error")
    printed = told(capsys, tmp_path / "x_raw.fif", "--channels")
    rows = [line.split() for line in printed.splitlines()]
    assert ["C4", "V", "EEG", "EEG:", "C4", "-", "M1", "100"] in rows
    assert ["M1", "V", "EEG:", "C4", "-", "M1", "100"] in rows
    assert ["x", "100"] in rows
    assert "EOG: none" in told(capsys, tmp_path / "x_raw.fif")


def test_hypnograms(tmp_path, capsys):
    write_recording(tmp_path)
    printed = told(capsys, tmp_path / "SC4001EC-Hypnogram.edf")
    assert "hypnogram of 0:20:00 from 1989-04-24 22:30:00" in printed
    assert "minutes: W 5, N1 2.5, N2 5, N3 5, REM 2.5" in printed
    printed = told(capsys, write_scored(tmp_path / "night_hypnogram.tsv"))
    assert "hypnogram of 0:20:00 from 0:00:00 after the start" in printed
    assert "scored by mine from EEG C4-M1, xsleep" in printed


def test_files_of_the_store(tmp_path, capsys):
    make_part(tmp_path, "a", 40, seed=1)
    stored = read_stored(tmp_path / "a.h5", tmp_path / "a-tf.h5")
    skipped = replace(stored, info=replace(stored.info, recording="b", skipped="no hypnogram"))
    write_index(tmp_path / "all.h5", [stored, skipped])
    printed = told(capsys, tmp_path / "a.h5")
    assert "a.h5: epochs of recording a of subject 0" in printed and "40 epochs: W " in printed
    assert "a-tf.h5: spectrograms, 40 epochs of EEG" in told(capsys, tmp_path / "a-tf.h5")
    printed = told(capsys, tmp_path / "all.h5")
    assert "all.h5: index of 2 recordings of 1 subject, 1 skipped" in printed


def write_run(folder, fold):
    """The files of a run, of a network that has not been trained, and of two test recordings."""
    network = build("ARNN+RNN", 1, NETWORK, fold)
    network.mean += 1
    checkpoints.save(folder / "model.safetensors", network, "ARNN+RNN", ("EEG",))
    run = {"database": "lab", "seed": 1, "fold": fold, "steps": 2000, "best_step": 1500}
    run |= {"seconds": 3700.2, "device": "cpu", "training_subjects": 12, "simulated": True}
    (folder / "run.json").write_text(json.dumps(run))
    stages = np.arange(10) % 5
    probabilities = {"time-frequency": np.eye(5)[np.where(stages == 1, 2, stages)]}
    predictions = [Prediction(n, n, np.arange(10), stages, probabilities) for n in "ab"]
    write_predictions(folder / "predictions.h5", predictions)


def test_networks_and_runs(tmp_path, capsys):
    for fold in (1, 2):
        write_run(tmp_path / "seed-1" / f"fold-{fold}", fold)
    printed = told(capsys, tmp_path / "seed-1")
    assert "seed-1: 2 networks, each ARNN+RNN of EEG, " in printed
    assert "trained on lab" in printed
    assert "has never seen sleep" in printed
    assert "fold-2: database lab, seed 1, fold 2" in printed
    assert "12 training subjects, 2,000 steps in 1:01:40 on cpu, the best 1,500" in printed
    assert printed.count("2 test recordings, 20 epochs: accuracy 80.0, kappa 0.750") == 2
    printed = told(capsys, tmp_path / "seed-1" / "fold-1" / "model.safetensors")
    assert "model.safetensors: network ARNN+RNN of EEG, " in printed
    printed = told(capsys, tmp_path / "seed-1" / "fold-1" / "predictions.h5")
    assert "predictions.h5: predictions of 2 test recordings" in printed


@pytest.mark.parametrize("end", ["", ".index", ".data-00000-of-00001"])
def test_a_tensorflow_checkpoint(capsys, end):
    folder = existing(SHARED / "data" / "released_checkpoints") / "1chan_eog" / "checkpoint"
    printed = told(capsys, folder / f"pretrained_model.ckpt{end}")
    assert "network ARNN+RNN of E" in printed and "sequences of 20 epochs" in printed


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file; name a file, or the folder of a run"),
        (b"\x89PNG" + bytes(100), "no text, and no recording that is known"),
        (b"hello\n", "no stage in it"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "not a readable HDF5 file"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is not UTF-8")
def test_what_is_none_of_these_is_one_line(tmp_path, capsys, content, expected):
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    (line,) = (
        line
        for line in told(capsys, tmp_path / "x", status=1).splitlines()
        if line.startswith("error: ")
    )
    assert f"{tmp_path / 'x'}: " in line and expected in line


def test_a_file_of_another_version_is_one_line(tmp_path, capsys):
    import h5py

    with h5py.File(tmp_path / "all.h5", "w") as file:
        file["recordings"] = [json.dumps({"night": {}})]
        file["ends"] = [0]
        for name in ("places", "onsets", "stages"):
            file[name] = np.zeros(0)
    expected = "all.h5: not a readable HDF5 file ('remarks'); delete it and run again"
    assert expected in told(capsys, tmp_path / "all.h5", status=1)
    write_run(tmp_path, 1)
    run = tmp_path / "run.json"
    run.write_text(run.read_text().replace("best_step", "step"))
    expected = "damaged, or of another version of xsleep ('best_step'); make it again"
    assert expected in told(capsys, tmp_path, status=1)
