"""Stagers that are not trained here: YASA, networks by name or path, and GSSC by its example."""

import json
import subprocess
import sys

import edfio
import mne
import numpy as np
import pytest

import xsleep
from tests.helpers.recordings import NETWORK, ROOT, edf_signal, prepare
from xsleep.config.network import Filtering
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.databases import open_database, source_of
from xsleep.external.files import read_foreign
from xsleep.external.stagers import open_stager
from xsleep.networks import build, checkpoints
from xsleep.store.recordings import read_index

UNFILTERED = Filtering(raw_filter=dict.fromkeys(("EEG", "EOG", "EMG"), "none"))


def waves(seconds, seed=0):
    """Return (n,) microvolts at 100 Hz whose spectrum falls as that of EEG does."""
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft(random.standard_normal(100 * seconds))
    hz = np.fft.rfftfreq(100 * seconds, 0.01)
    values = np.fft.irfft(spectrum / np.maximum(hz, 0.3))
    return 25 * values / values.std()


def write(folder, codes, *seeds):
    """DREAMS excerpts of the same codes of 5 s, each with an EEG of its own."""
    folder.mkdir()
    for number, seed in enumerate(seeds, start=1):
        signal = edf_signal("C3-A1", 5 * len(codes), values=waves(5 * len(codes), seed))
        edfio.Edf([signal]).write(folder / f"excerpt{number}.edf")
        text = "\n".join(["[Hypnogram]", *map(str, codes)])
        (folder / f"Hypnogram_excerpt{number}.txt").write_text(text)
    return folder


def stored(folder, recordings, filtering=UNFILTERED, **settings):
    """Return the recordings of a folder in a store."""
    labels = {"EEG": ["C3-A1", "CZ-A1"]}
    settings = {"grid": 30} | settings
    source = source_of(reader="dreams", folder=recordings, labels=labels, **settings)
    names = [entry.name for entry in open_database(source).entries()]
    index, skipped = prepare(folder / "store", source, ["EEG"], *names, filtering=filtering)
    assert not skipped
    return [*read_index(index).values()]


def score(stager, recordings, channels=("EEG",)):
    return open_stager(str(stager)).score(recordings, channels, "whole-night")


CODES = [*[5] * 30, *[2] * 120]
"""Codes of 25 epochs of 30 s."""


def proba(path):
    """Return the probabilities (n, 5) that YASA itself gives for a file."""
    from yasa import SleepStaging

    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    found = SleepStaging(raw, eeg_name=raw.ch_names[0]).predict().proba
    return found[["WAKE", *STAGES[1:]]].to_numpy()


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
def test_yasa_gives_for_stored_recordings_what_it_gives_for_their_files(tmp_path):
    recordings = stored(tmp_path, write(tmp_path / "in", CODES, 1, 2))
    predictions, remarks = score("yasa", recordings)
    for number, one in enumerate(predictions, start=1):
        expected = proba(tmp_path / f"in/excerpt{number}.edf")
        # Single precision may move a feature over a threshold of a tree.
        np.testing.assert_allclose(one.probabilities["joint"], expected, atol=0.1)
        assert one.stages.tolist() == [0] * 5 + [2] * 20
    assert len(remarks) == 1
    assert remarks[0].startswith("YASA 0.8.1: LightGBM, trained on recordings of CCSHS, ")
    assert "licence BSD-3-Clause" in remarks[0]


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
def test_yasa_scores_the_real_excerpts_on_a_grid_of_30_s(tmp_path, dreams_folder):
    predictions, _ = score("yasa", stored(tmp_path, dreams_folder))
    true = np.concatenate([one.stages for one in predictions])
    given = np.concatenate([one.probabilities["joint"].argmax(axis=1) for one in predictions])
    # Of the files themselves 0.714; those of 200 Hz are resampled by other filters here.
    assert len(true) == 420
    assert np.mean(true == given) == pytest.approx(0.714, abs=0.01)


def test_epochs_without_a_stage_are_bridged_for_yasa_and_told(tmp_path):
    codes = [*[5] * 60, *[-1] * 18, *[2] * 120]  # 10, 3 and 20 epochs of 30 s
    recordings = stored(tmp_path, write(tmp_path / "in", codes, 1))
    (prediction,), remarks = score("yasa", recordings)
    assert prediction.places.tolist() == [*range(10), *range(13, 33)]
    assert prediction.probabilities["joint"].shape == (30, 5)
    assert remarks[1:] == [
        "3 epochs without a stage in 1 recording not stored; it read the nearest epochs in their "
        "places"
    ]


def test_filtered_signals_are_told_with_yasa(tmp_path):
    recordings = stored(tmp_path, write(tmp_path / "in", CODES, 1), filtering=Filtering())
    _, remarks = score("yasa", recordings)
    assert remarks[1].startswith("its signals are filtered (EEG-band-pass+")


def test_yasa_refuses_epochs_of_20_s_and_names_the_setting(tmp_path):
    recordings = stored(tmp_path, write(tmp_path / "in", CODES, 1), grid=None)
    with pytest.raises(InputError, match=r"excerpt1: .* these are of 20 s; set source\.grid: 30"):
        score("yasa", recordings)


@pytest.mark.parametrize("channels", [("EOG",), ("EEG", "EEG2"), ("EOG", "EMG")])
def test_yasa_refuses_channels_that_it_does_not_read(channels):
    with pytest.raises(InputError, match=r"stager yasa: reads one EEG, .* set channels"):
        score("yasa", [], channels)


def test_missing_yasa_is_one_line_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "yasa", None)
    with pytest.raises(InputError, match=r"stager yasa: cannot be imported .*; pip install yasa"):
        open_stager("yasa")


def test_recording_that_cannot_be_scored_is_told_and_the_others_go_on(tmp_path):
    recordings = stored(tmp_path, write(tmp_path / "in", CODES, 1, 2))
    (tmp_path / "store/epochs/excerpt1.h5").unlink()
    (prediction,), remarks = score("yasa", recordings)
    assert prediction.recording == "excerpt2"
    assert remarks[-1].startswith("left out: ") and "excerpt1.h5: not readable" in remarks[-1]


# ----------------------------------------------------------------------------------- networks


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "run" / "model.safetensors"
    path.parent.mkdir()
    checkpoints.save(path, build("ARNN+RNN", 1, NETWORK, seed=3).eval(), "ARNN+RNN", ("EEG",))
    return path


def test_a_network_gives_what_xsleep_score_gives(tmp_path, model):
    recordings = stored(tmp_path, write(tmp_path / "in", CODES, 1, 2), filtering=Filtering())
    predictions, remarks = score(model, recordings)
    for number, one in enumerate(predictions, start=1):
        alone = xsleep.score(tmp_path / f"in/excerpt{number}.edf", model)
        assert not alone.bad.any()
        # The store begins where the hypnogram does, at the first sample too.
        np.testing.assert_allclose(one.probabilities["joint"], alone.probabilities, atol=1e-4)
    assert remarks == [
        f"{model}: ARNN+RNN, trained on unknown: there is no run.json beside the network",
        "what it was trained on is unknown: there is no run.json beside the network",
        "spectrograms normalised by the statistics of each recording",
    ]


def test_statistics_of_the_training_set_are_used_where_the_network_holds_them(tmp_path, model):
    network, _, _ = checkpoints.load(model)
    mean = np.full((129, 1), -10.0)
    network.set_normalisation(mean, np.ones_like(mean))
    checkpoints.save(model, network, "ARNN+RNN", ("EEG",))
    _, remarks = score(model, stored(tmp_path, write(tmp_path / "in", CODES, 1), Filtering()))
    assert remarks[-1] == "spectrograms normalised by the statistics of its training set"


def test_recordings_that_a_network_was_trained_on_are_told(tmp_path, model):
    recordings = stored(tmp_path, write(tmp_path / "in", CODES, 1, 2), filtering=Filtering())
    run = {"database": "DREAMS", "inputs": dict(recordings[1].info.hashes), "labels": {}}
    model.with_name("run.json").write_text(json.dumps(run))
    _, remarks = score(model.parent, recordings)
    assert remarks[0] == f"{model.parent}: ARNN+RNN, trained on DREAMS"
    assert remarks[-1] == "it was trained or validated on 1 of 2 recordings"


def test_other_electrodes_than_those_trained_on_are_told(tmp_path, model):
    recordings = stored(tmp_path, write(tmp_path / "in", CODES, 1), filtering=Filtering())
    run = {"database": "MASS", "inputs": {}, "labels": {"EEG": ["C4-A1"]}}
    model.with_name("run.json").write_text(json.dumps(run))
    _, remarks = score(model, recordings)
    assert remarks[-1] == "EEG is 'C3-A1'; the network was trained on C4-A1 (1 recording)"


def test_network_of_other_channels_or_filters_is_one_line(tmp_path, model):
    with pytest.raises(InputError, match=r"model\.safetensors: reads EEG and not EEG-EOG; set"):
        score(model, [], ("EEG", "EOG"))
    recordings = stored(tmp_path, write(tmp_path / "in", CODES, 1))
    with pytest.raises(InputError, match=r"filtered by none, what the network reads by EEG-band"):
        score(model, recordings)


def test_unknown_stager_is_one_line():
    with pytest.raises(InputError, match=r"stager gssc: no such network; .*; or one of .*yasa"):
        open_stager("gssc")


# --------------------------------------------------------------------------------------- GSSC

STUB = """
class EEGInfer:
    def __init__(self, use_cuda):
        pass

    def mne_infer(self, inst, eeg_drop=True, eog_drop=True):
        # As GSSC 0.0.9 counts the epochs of a recording.
        seconds = inst.times[-1]
        print(inst.ch_names, inst.get_channel_types())
        return [epoch % 5 for epoch in range(int(seconds // 30))], None
"""


def test_example_of_gssc_writes_predictions_that_are_imported(tmp_path):
    (tmp_path / "gssc").mkdir()
    (tmp_path / "gssc/__init__.py").touch()
    (tmp_path / "gssc/infer.py").write_text(STUB)
    path = tmp_path / "SC4001E0-PSG.edf"
    edfio.Edf([edf_signal("C4", 320), edf_signal("E1", 320), edf_signal("X", 320)]).write(path)
    whole = tmp_path / "b.edf"
    edfio.Edf([edf_signal("C4", 300)]).write(whole)
    script = [sys.executable, ROOT / "examples/gssc/score_with_gssc.py"]

    def run(*arguments):
        told = {"cwd": tmp_path, "env": {"PYTHONPATH": "."}, "capture_output": True, "text": True}
        return subprocess.run([*script, *arguments], check=False, **told)

    done = run(path, whole, "--eeg", "C3", "C4", "--eog", "E1")
    assert done.stdout.splitlines() == ["['C4', 'E1'] ['eeg', 'eog']", "['C4'] ['eeg']"]
    found = read_foreign(tmp_path / "gssc.csv")
    assert {name: len(one.epochs) for name, one in found.items()} == {"SC4001E0": 10, "b": 10}
    assert found["b"].stages.tolist() == [0, 1, 2, 3, 4] * 2
    lacking = run(path, "--eeg", "O1")
    assert lacking.returncode == 1
    assert "PSG.edf: has C4, E1, X; name one with --eeg or --eog" in lacking.stderr
