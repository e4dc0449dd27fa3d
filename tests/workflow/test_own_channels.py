"""Two EEG channels and no EOG, from files of one's own to a row of Table 2."""

import copy

import edfio
import pytest

from tests.helpers.recordings import edf_signal, noise
from tests.staging.test_score import MINUTES, waves, write_edf
from tests.workflow.test_workflow import TINY, rows, snakemake
from xsleep.networks import checkpoints
from xsleep.staging.score import score

pytestmark = pytest.mark.long

SECONDS = 15 * 60
CHANNELS = "EEG-EEGoccipital"
RUN = f"results/own/whole-night/{CHANNELS}/ARNN+RNN/seed-1/fold-1"


def write_night(folder, name, seed):
    folder.mkdir(exist_ok=True)
    signals = [
        edf_signal(f"{site}-M1", SECONDS, values=noise(SECONDS, 100, 2 * seed + place))
        for place, site in enumerate(("C4", "O2"))
    ]
    edfio.Edf(signals).write(folder / f"{name}.edf")
    stages = ("W", "N1", "N2", "N3", "REM") * (SECONDS // 150)
    lines = [f"{30 * epoch},30,{stage}" for epoch, stage in enumerate(stages)]
    (folder / f"{name}.csv").write_text("\n".join(["onset,duration,stage", *lines]) + "\n")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study of three subjects, one of whom tests."""
    folder = tmp_path_factory.mktemp("channels")
    for seed, name in enumerate(("a_1", "b_1", "c_1")):
        write_night(folder / "nights", name, seed)
    config = copy.deepcopy(TINY)
    config |= {"databases": ["own"], "systems": ["ARNN+RNN"]}
    config["database_settings"] = {
        "own": {
            "source": {
                "folder": str(folder / "nights"),
                "labels": {"EEG": ["C4-M1"], "EEGoccipital": ["O2-M1"], "EOG": ["E2 - E1"]},
            },
            "channels": [CHANNELS],
            "folds": {"folds": 1, "test": 0.3, "validation": 1, "training_subset": 1},
            "systems": {"ARNN+RNN": {"steps": 4}},
        }
    }
    status, text = snakemake(folder, "results/table2.csv", config=config)
    assert status == 0, text
    return folder, text


def test_two_eeg_channels_and_no_eog_have_a_row_of_table_2(finished):
    folder, text = finished
    (row,) = [row for row in rows(folder / "results/table2.csv") if row["source"] == "measured"]
    assert (row["database"], row["system"], row["epochs"]) == ("own", "ARNN+RNN", "30")
    assert 0 <= float(row[f"{CHANNELS} accuracy"]) <= 100 and row["EEG accuracy"] == ""
    assert CHANNELS in text
    night = rows(folder / "results/own/recordings.csv")[0]
    assert (night["EEG"], night["EEGoccipital"], night["EOG"]) == ("C4-M1", "O2-M1", "")


def test_the_network_scores_a_night_by_two_signals_of_the_kind(finished):
    folder, _ = finished
    model = folder / RUN / "model.safetensors"
    assert checkpoints.load(model)[2] == ("EEG", "EEGoccipital")
    signals = [("O2-M1", waves()), ("C4-M1", waves(1))]
    night = write_edf(folder / "x.edf", signals)
    answer = score(night, model, report=lambda line: None)
    taken = {channel: one.label for channel, one in answer.channels.items()}
    assert taken == {"EEG": "C4-M1", "EEGoccipital": "O2-M1"}
    assert len(answer.stages) == 2 * MINUTES
