"""Networks trained elsewhere take the place of trainings: a TensorFlow checkpoint for each fold."""

import json
import shutil

import numpy as np
import pytest

from tests.helpers.recordings import make_part
from tests.tensorflow import networks as saved
from xsleep.config.network import NetworkSettings
from xsleep.core.errors import InputError
from xsleep.core.files import sha256
from xsleep.networks import checkpoints
from xsleep.scoring.given import import_given
from xsleep.scoring.jobs import score_run
from xsleep.store.predictions import read_predictions
from xsleep.store.recordings import read_stored, write_index
from xsleep.training.sequences import normalisation

SETTINGS = NetworkSettings(
    filters=saved.FILTERS,
    kernel=saved.KERNEL,
    gru_units=saved.GRU_UNITS,
    filterbank=saved.FILTERBANK,
    frame_units=saved.FRAME_UNITS,
    attention=saved.ATTENTION,
    sequence_units=saved.SEQUENCE_UNITS,
    deepsleepnet_filters=saved.DEEPSLEEPNET_FILTERS,
    deepsleepnet_units=saved.DEEPSLEEPNET_UNITS,
    deepsleepnet_layers=saved.DEEPSLEEPNET_LAYERS,
    sequence_length=saved.LENGTH,
)
GIVEN = saved.FOLDER / "xsleepnet_3chan"
CHANNELS = ("EEG", "EOG", "EMG")


@pytest.fixture
def cohort(tmp_path):
    """Folds and index of four stored recordings, and the two that train in fold 2."""
    names = ("a1", "b1", "c1", "d1")
    parts = {
        name: make_part(tmp_path / "store", name, 8, CHANNELS, seed=seed, subject=name[0])
        for seed, name in enumerate(names)
    }
    stored = [read_stored(*(tmp_path / "store" / f"{n}{e}.h5" for e in ("", "-tf"))) for n in names]
    write_index(tmp_path / "all.h5", stored)
    roles = ["1,test,b,b1", "1,validation,a,a1", "1,training,c,c1", "1,training,d,d1"]
    roles += ["2,test,a,a1", "2,validation,b,b1"]
    roles += ["2,training,c,c1", "2,training,d,d1", "2,training subset,d,d1"]
    (tmp_path / "folds.csv").write_text("\n".join(["fold,role,subject,recording", *roles, ""]))
    return tmp_path / "folds.csv", tmp_path / "all.h5", [parts["c1"], parts["d1"]]


@pytest.fixture
def run(tmp_path, cohort):
    """Import a checkpoint for fold 2; its model."""
    folds, index, _ = cohort

    def run(
        checkpoint=saved.FOLDER / "xsleepnet_3chan",
        channels=CHANNELS,
        system="XSleepNet1",
        **changes,
    ):
        out = tmp_path / "run" / "model.safetensors"
        asked = {"window": "whole-night", "channels": channels, "system": system}
        settings = SETTINGS.model_copy(update=changes)
        import_given(checkpoint, folds, 2, index, **asked, settings=settings, out=out)
        return out

    return run


def record_of(model):
    return json.loads(model.with_name("import.json").read_text())


def test_a_given_network_is_normalised_by_the_folds_training_recordings_and_scores(run, cohort):
    folds, index, training = cohort
    model = run()
    network, system, channels = checkpoints.load(model)
    assert (system, channels) == ("XSleepNet1", CHANNELS)
    mean, deviation = normalisation(training)
    np.testing.assert_array_equal(network.mean, mean)
    np.testing.assert_array_equal(network.deviation, deviation)
    out = model.with_name("predictions.h5")
    how = {"window": "whole-night", "longest_gap": None, "scoring_stride": 1, "threads": 1}
    score_run(model, folds, 2, index, **how, out=out)
    (scored,) = read_predictions(out)
    assert (scored.recording, len(scored.places)) == ("a1", 8)
    assert scored.probabilities.keys() == {"raw", "time-frequency", "joint"}


def test_the_record_tells_the_origin(run, cohort):
    record = record_of(model := run())
    folder = GIVEN / "checkpoint"
    files = [folder / f"best_model.{end}" for end in ("index", "data-00000-of-00001")]
    assert record["inputs"] == {str(path): sha256(path) for path in (*files, cohort[0])}
    assert record["outputs"] == {"model.safetensors": sha256(model)}
    assert (record["system"], tuple(record["channels"])) == ("XSleepNet1", CHANNELS)
    assert record["recordings"] == {"training": ["c1", "d1"]}
    assert record["remarks"] == []


def test_what_is_doubtful_is_in_the_record(tmp_path, run):
    folder = tmp_path / "1chan_eog" / "checkpoint"
    shutil.copytree(saved.FOLDER / "seqsleepnet_1chan" / "checkpoint", folder)
    for path in list(folder.glob("best_model_acc.*")):
        shutil.copy(path, folder / path.name.replace("best_model_acc", "model_step200.ckpt"))
    model = run(folder, ("EEG",), "SeqSleepNet+", raw_deviation=20.0)
    assert record_of(model)["remarks"] == [
        "raw_deviation is 20.0, of the released networks None",
        "read for EEG, though the path has EOG",
        f"read from {folder / 'best_model_acc'}, not from model_step200.ckpt beside it",
    ]


@pytest.mark.parametrize("name", saved.NETWORKS)
def test_every_network_is_imported_for_a_fold(run, name):
    system, count, *_ = saved.NETWORKS[name]
    network, *found = checkpoints.load(run(saved.FOLDER / name, CHANNELS[:count], system))
    assert found == [system, CHANNELS[:count]]
    assert network.settings == SETTINGS


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"system": "ARNN+RNN"}, r"found the network of XSleepNet2, expected ARNN\+RNN;"),
        ({"channels": ("EEG",)}, r"found 3 channels, expected 1 \(EEG\);"),
        (
            {"gru_units": 256, "sequence_length": 20},
            r"found gru_units 3 \(expected 256\), sequence_length 5 \(expected 20\);",
        ),
        ({"activation": "prelu"}, r"found activation leaky_relu \(expected prelu\);"),
    ],
)
def test_a_checkpoint_of_another_network_is_one_line(tmp_path, run, asked, line):
    with pytest.raises(InputError, match=line) as error:
        run(**asked)
    assert str(error.value).startswith(f"{GIVEN}/checkpoint/best_model: ")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_fold_without_a_checkpoint_is_one_line(tmp_path, run):
    with pytest.raises(InputError, match=r"n2/checkpoint/best_model: no TensorFlow checkpoint: "):
        run(tmp_path / "n2/checkpoint/best_model")
