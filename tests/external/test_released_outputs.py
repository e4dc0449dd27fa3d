"""The authors' released predictions of SleepEDF-20, measured on its real hypnograms."""

import csv
import datetime
import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.recordings import SHARED, existing
from xsleep.core.stages import RK_STAGES, UNSCORED, label
from xsleep.databases.lights import lights_of
from xsleep.external.files import read_foreign
from xsleep.external.placing import placed
from xsleep.results.metrics import decided, measure
from xsleep.store.recordings import RecordingInfo


@pytest.fixture(scope="module")
def sleep_edf_20():
    """The recordings, from the hypnograms as text, and the fold that tests each."""
    reference = existing(SHARED / "reference")
    hypnograms = json.loads((reference / "sleep_edf_hypnograms.json").read_text())
    infos, folds = [], {}
    with (reference / "sleep_edf_recordings.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["database"] == "SleepEDF-20"]
    for row in rows:
        name = row["recording"]
        letters = "".join(run[0] * int(run[1:]) for run in hypnograms[name].split())
        stages = np.array([label(RK_STAGES.get(letter)) for letter in letters])
        scored = np.flatnonzero(stages != UNSCORED)
        start = datetime.datetime.fromisoformat(f"1989-04-24 {row['recording_start']}")
        lights = lights_of(Path(name), name, start, [], hypnogram=None)
        infos.append(RecordingInfo(name, name[3:5], scored, 30.0 * scored, stages[scored], lights))
        folds[name] = int(row["test_fold"])
    return infos, folds


@pytest.mark.parametrize(
    ("name", "accuracy", "kappa", "mf1"),
    [
        ("1-max-CNN_EEG", 79.75, 0.715, 71.97),
        ("Multitask-CNN_EEG", 81.87, 0.743, 73.84),
        ("Multitask-CNN_EEG-EOG", 82.25, 0.748, 74.72),
    ],
)
def test_released_outputs_have_the_metrics_that_were_computed_independently(
    sleep_edf_20, name, accuracy, kappa, mf1
):
    path = existing(SHARED / "data" / "released_outputs") / f"SleepEDF-20_{name}.csv.gz"
    predictions, remarks = placed(
        read_foreign(path), sleep_edf_20[0], "in-bed", sleep_edf_20[1], where=name
    )
    assert len(predictions) == 39
    assert sum(len(one.stages) for one in predictions) == 38_150
    assert remarks == [f"{name}: 5 of 38,155 epochs are missing: SC4001E0 (5 from 1767 to 1771)"]
    metrics = measure(
        np.concatenate([one.stages for one in predictions]),
        np.concatenate([decided(one) for one in predictions]),
    )
    found = (round(metrics["accuracy"], 2), round(metrics["kappa"], 3), round(metrics["MF1"], 2))
    assert found == (accuracy, kappa, mf1)
