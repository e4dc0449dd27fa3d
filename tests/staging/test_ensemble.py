"""Facts and doubts of a network that was trained here, from the run.json beside it."""

import json

import pytest

from tests.helpers.recordings import NETWORK
from tests.staging.test_score import raw, waves, write_edf
from tests.tensorflow import networks
from xsleep.core.files import sha256
from xsleep.networks import build, checkpoints
from xsleep.staging.ensemble import NOT_SLEEP, open_model
from xsleep.staging.score import SEEN, score


@pytest.fixture
def run(tmp_path):
    """Function from the content of run.json to a run's folder."""

    def made(name="run", **facts):
        path = tmp_path / name / "model.safetensors"
        checkpoints.save(path, build("ARNN+RNN", 1, NETWORK, 1), "ARNN+RNN", ("EEG",))
        path.with_name("run.json").write_text(json.dumps(facts))
        return path.parent

    return made


def test_the_signal_that_it_was_trained_on_is_preferred_and_another_is_told(run):
    signals = {"eeg__C4_M1": waves(), "eeg__F3_M2": waves(1)}
    network = run(labels={"EEG": ["F3-M2", "F3-A1"]}, simulated=False, database="lab")
    taken = score(raw(**signals), network).channels["EEG"]
    assert (taken.label, taken.why) == ("F3-M2", "as the network was trained")
    other = score(raw(eeg__C4_M1=waves()), network)
    assert "EEG is 'C4-M1'; the network was trained on F3-M2 or F3-A1" in other.doubts
    assert NOT_SLEEP not in other.doubts


def test_a_network_of_simulated_recordings_says_so_with_every_result(run):
    assert NOT_SLEEP in score(raw(eeg__C4_M1=waves()), run(simulated=True)).doubts


def test_a_recording_that_the_network_was_trained_with_is_told(run, tmp_path):
    for name, seed in (("seen", 1), ("new", 2)):
        write_edf(tmp_path / f"{name}.edf", [("C4-M1", waves(seed))])
    network = run(inputs={"seen.edf": sha256(tmp_path / "seen.edf")})
    assert SEEN in score(tmp_path / "seen.edf", network).doubts
    assert SEEN not in score(tmp_path / "new.edf", network).doubts


def test_of_several_runs_the_labels_of_all_are_known(run, tmp_path):
    run("fold-1", labels={"EEG": ["C4-M1"]}, database="lab")
    run("fold-2", labels={"EEG": ["C3-M2", "C4-M1"]}, database="lab", simulated=True)
    model = open_model(str(tmp_path))
    assert model.montage == {"EEG": ("C4-M1", "C3-M2")} and model.doubts == (NOT_SLEEP,)


def test_a_run_json_of_before_has_neither_and_is_read(run):
    model = open_model(str(run(source="MASS+SHHS")))
    assert (model.montage, model.doubts) == ({}, ())
    assert model.facts["trained_on"] == "MASS+SHHS"


def test_a_network_without_its_run_json_is_of_unknown_training(run):
    folder = run(database="lab", labels={"EEG": ["C4-M1"]})
    (folder / "run.json").unlink()
    model = open_model(str(folder / "model.safetensors"))
    assert model.facts["trained_on"].startswith("unknown") and model.montage == {}
    (doubt,) = model.doubts
    assert doubt == "what it was trained on is unknown: there is no run.json beside the network"


@pytest.mark.parametrize("place", ["", "checkpoint", "checkpoint/best_model_acc"])
def test_a_tensorflow_checkpoint_may_be_a_folder_or_a_prefix(place):
    ensemble = open_model(str(networks.FOLDER / "seqsleepnet_1chan" / place))
    assert (ensemble.facts["system"], ensemble.channels) == ("ARNN+RNN", ("EEG",))
