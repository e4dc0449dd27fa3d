"""The test recordings of a fold, perturbed and scored again by what was trained."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.helpers.recordings import NETWORK, RELEASED, edf_signal, noise, prepare, write_recording
from xsleep.config.robustness import RobustnessSettings
from xsleep.core.files import write_csv
from xsleep.databases import source_of
from xsleep.external.robustness import Recordings, Scorer, score_perturbed
from xsleep.networks import build, checkpoints
from xsleep.results.robustness import COUNTS
from xsleep.scoring.jobs import score_run
from xsleep.store.predictions import read_predictions, write_predictions
from xsleep.store.recordings import read_index
from xsleep.training.parts import load_part
from xsleep.training.sequences import normalisation

SCORING = {"longest_gap": None, "scoring_stride": 1}
CHANGES = [
    {"change": "gain", "factor": 1},
    {"change": "gain", "factor": 3},
    {"change": "flat", "channel": "EEG"},
    {"change": "derivation", "channel": "EEG", "labels": {"SleepEDF-20": ["EEG Pz-Oz"]}},
    {"change": "missing", "share": 0.5, "minutes": 1},
]


@pytest.fixture(scope="module")
def fold(tmp_path_factory):
    """Fold of two test recordings, and the systems that score them."""
    folder = tmp_path_factory.mktemp("robustness")
    names = [f"SC40{number}1E0" for number in range(3)]
    for number, name in enumerate(names):
        values = noise(1200, 100, number) * np.repeat([1, 1, 3, 1], 30_000)
        signals = [edf_signal("EEG Fpz-Cz", 1200, values=values)]
        write_recording(folder / "in", name, signals=[*signals, edf_signal("EOG horizontal", 1200)])
    labels = {"EEG": ["EEG Fpz-Cz"], "EOG": ["EOG horizontal"]}
    source = source_of(reader="sleep-edf-20", folder=folder / "in", labels=labels)
    index, skipped = prepare(folder, source, ["EEG", "EOG"], *names)
    assert not skipped
    roles = dict(zip(names, ("test", "test", "training"), strict=True))
    known = read_index(index)
    lines = [
        {"fold": 1, "role": role, "subject": known[name].info.subject, "recording": name}
        for name, role in roles.items()
    ]
    write_csv(folder / "folds.csv", lines)
    network = build("ARNN+RNN", 1, NETWORK, seed=0)
    with torch.no_grad():  # so that an untrained one does not say the same of every epoch
        for name, parameter in network.named_parameters():
            parameter *= 0 if name == "outputs.time-frequency.bias" else 20
    part = load_part(known[names[2]], "whole-night", ("EEG",), NETWORK)
    network.set_normalisation(*normalisation([part], NETWORK.normalisation))
    checkpoints.save(folder / "model.safetensors", network, "ARNN+RNN", ("EEG",))
    predictions = folder / "predictions.h5"
    score_run(
        folder / "model.safetensors",
        folder / "folds.csv",
        1,
        index,
        window="whole-night",
        **SCORING,
        out=predictions,
        threads=1,
    )
    row = {"database": "SleepEDF-20", "window": "whole-night", "channels": "EEG", "seed": 1}
    whole = Scorer(
        row | {"system": "ARNN+RNN"},
        1,
        "network",
        str(index),
        str(predictions),
        str(folder / "model.safetensors"),
        SCORING,
    )
    write_predictions(folder / "one.h5", read_predictions(predictions)[:1])
    scorers = [
        whole,
        replace(whole, row=row | {"system": "one"}, predictions=str(folder / "one.h5")),
        replace(whole, row=row | {"system": "absent"}, kind="stager", model="absent"),
        replace(whole, row=row | {"system": "of another fold"}, fold=2),
    ]
    of = Recordings(
        "SleepEDF-20", folder / "folds.csv", source, ["EEG", "EOG"], {str(index): RELEASED}
    )
    changes = RobustnessSettings(seed=1, perturbations=CHANGES).perturbations
    found, told = [], []
    before = {*folder.rglob("*")}
    for change in (None, *changes):
        score_perturbed(of, scorers, change, 1, folder / "out.csv", report=told.append)
        with (folder / "out.csv").open() as file:
            found += csv.DictReader(file)
    assert {*folder.rglob("*")} - before == {folder / "out.csv"}
    return found, told, read_predictions(predictions)


def rows(fold, perturbation, system="ARNN+RNN", signals="perturbed"):
    return [
        row
        for row in fold[0]
        if (row["perturbation"], row["system"], row["signals"]) == (perturbation, system, signals)
    ]


def counts(found):
    return np.array([[int(row[name]) for name in COUNTS] for row in found])


def test_signals_that_are_not_changed_give_what_the_recordings_gave(fold):
    same, recorded = (
        counts(rows(fold, "gain x1", signals=s)) for s in ("perturbed", "as recorded")
    )
    none = counts(rows(fold, "none", signals="as recorded"))
    np.testing.assert_array_equal(same, recorded)
    np.testing.assert_array_equal(same, none)
    assert none.sum(axis=1).tolist() == [len(one.stages) for one in fold[2]]


def test_a_gain_and_a_lost_channel_change_what_is_predicted_of_the_same_epochs(fold):
    for name in ("gain x3", "EEG flat"):
        changed, recorded = (
            counts(rows(fold, name, signals=s)) for s in ("perturbed", "as recorded")
        )
        true = [found.reshape(-1, 5, 5).sum(axis=2) for found in (changed, recorded)]
        np.testing.assert_array_equal(*true)
        assert (changed != recorded).any()


def test_preparation_would_refuse_a_flat_channel_and_not_a_gain(fold):
    assert [row["refused"] for row in rows(fold, "EEG flat")] == ["1", "1"]
    assert [row["refused"] for row in rows(fold, "gain x3")] == ["0", "0"]


def test_of_missing_epochs_the_rest_is_scored_beside_the_same_epochs_as_recorded(fold):
    name = "50 % missing, 1 min at a time"
    changed, recorded = (counts(rows(fold, name, signals=s)) for s in ("perturbed", "as recorded"))
    assert changed.sum(axis=1).tolist() == recorded.sum(axis=1).tolist() == [20, 20]


def test_a_network_scores_its_own_fold_alone(fold):
    assert not [row for row in fold[0] if row["system"] == "of another fold"]


def test_a_derivation_that_the_files_lack_is_a_fault_of_these_recordings_alone(fold):
    faults = [row["fault"] for row in rows(fold, "other EEG derivation")]
    assert len(faults) == 2 and all("no EEG channel 'EEG Pz-Oz'" in fault for fault in faults)
    assert any(line.startswith("SC4001E0: ") and "EEG Pz-Oz" in line for line in fold[1])


def test_a_system_that_cannot_be_opened_or_has_no_prediction_says_so(fold):
    assert {row["fault"].partition(";")[0] for row in rows(fold, "gain x3", "absent")} != {""}
    first, second = rows(fold, "gain x3", "one")
    assert first["fault"] == "" and second["fault"].endswith("one.h5: has no prediction of it")
