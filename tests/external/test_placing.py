"""Predictions of other programs on a database: what fits, and what is said of the rest."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.special import log_softmax, softmax

from xsleep.core.errors import InputError
from xsleep.external.files import Foreign, read_foreign
from xsleep.external.placing import TOLERANCE, placed
from xsleep.results.metrics import decided
from xsleep.store.recordings import RecordingInfo

FILE = Path("given/fold-1.csv")
EPOCHS = 120


def recording(name, seed=0, lights=(30 * 10, 30 * 110)):
    """A recording of some cycles, in bed in its epochs 10 to 109; epoch 50 has no stage."""
    random = np.random.default_rng(seed)
    stages = np.repeat(random.integers(0, 5, EPOCHS), random.integers(1, 9, EPOCHS))[:EPOCHS]
    scored = np.delete(np.arange(EPOCHS), 50)
    return RecordingInfo(name, name[0], scored, 30.0 * scored, stages[scored], lights)


INFOS = [recording(name, seed) for seed, name in enumerate(("a1", "a2", "b1", "c1"))]
FOLDS = {"a1": 1, "a2": 1, "b1": 2, "c1": 3}


def given(info, wrong=7, first=10, last=109, **changes):
    """Probabilities of the epochs in bed that have a stage, of which every so many are wrong."""
    inside = (info.places >= first) & (info.places <= last)
    called = info.stages[inside].copy()
    called[::wrong] = (called[::wrong] + 1) % 5
    values = (np.eye(5)[called] + 0.1) / 1.5
    one = Foreign(info.places[inside], values, None, None, FILE)
    return replace(one, **changes)


def every(**changes):
    return {info.recording: given(info, **changes) for info in INFOS}


def fit(foreign, infos=INFOS, folds=FOLDS, window="in-bed"):
    return placed(foreign, infos, window, folds, where="system")


def test_predictions_that_fit_have_the_true_stages_of_the_database_and_no_remark():
    predictions, remarks = fit(dict(reversed(every().items())))
    assert remarks == []
    assert [(one.recording, one.subject, one.fold) for one in predictions] == [
        (info.recording, info.subject, FOLDS[info.recording]) for info in INFOS
    ]
    for one, info in zip(predictions, INFOS, strict=True):
        assert one.places.tolist() == [*range(10, 50), *range(51, 110)]
        assert one.stages.tolist() == info.stages[np.isin(info.places, one.places)].tolist()
        assert (decided(one) == one.stages).mean() == pytest.approx(84 / 99)


def test_stages_alone_are_no_probabilities():
    one = given(INFOS[0])
    stages = one.probabilities.argmax(axis=1)
    (prediction,), _ = fit({"a1": replace(one, probabilities=None, stages=stages)})
    assert prediction.probabilities == {}
    assert decided(prediction).tolist() == stages.tolist()


def test_epochs_in_any_order_are_put_at_their_places():
    one = given(INFOS[0])
    order = np.random.default_rng(0).permutation(len(one.epochs))
    mixed = replace(one, epochs=one.epochs[order], probabilities=one.probabilities[order])
    (first,), _ = fit({"a1": one})
    (second,), _ = fit({"a1": mixed})
    np.testing.assert_array_equal(first.places, second.places)
    np.testing.assert_array_equal(first.probabilities["joint"], second.probabilities["joint"])


def test_missing_and_surplus_epochs_are_counted_and_named():
    foreign = every() | {"a1": given(INFOS[0], last=104), "b1": given(INFOS[2], first=3)}
    epoch = given(INFOS[3])
    probabilities = np.vstack([epoch.probabilities, epoch.probabilities[:1]])
    foreign["c1"] = replace(epoch, epochs=np.append(epoch.epochs, 50), probabilities=probabilities)
    predictions, remarks = fit(foreign)
    assert remarks == [
        "system: 5 of 396 epochs are missing: a1 (5 from 105 to 109)",
        "system: 8 epochs that have no stage or are not in the window in-bed are left out: b1 (7 "
        "from 3 to 9), c1 (epoch 50)",
    ]
    assert [len(one.stages) for one in predictions] == [94, 99, 99, 99]


def test_recordings_that_are_not_there_not_tested_or_not_given_are_named_and_the_others_go_on():
    infos = [replace(INFOS[0], skipped="a1.edf: dead"), replace(INFOS[1], lights=None), *INFOS[2:]]
    foreign = every() | dict.fromkeys((f"x{n}" for n in range(7)), given(INFOS[0]))
    del foreign["c1"]
    predictions, remarks = fit(foreign, infos)
    assert [one.recording for one in predictions] == ["b1"]
    assert remarks == [
        "system: 2 recordings not tested here: a1, a2",
        "system: 7 recordings not in the database: x0, x1, x2, x3, x4 and 2 more",
        "system: 1 recording without predictions: c1",
    ]


def broken(one, row, *values):
    """Predictions with other probabilities in a row."""
    probabilities = one.probabilities.copy()
    probabilities[row] = values
    return replace(one, probabilities=probabilities)


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        (
            lambda one: replace(one, fold=3),
            "of another fold: a1 (fold 3 in fold-1.csv, here fold 1)",
        ),
        (
            lambda one: replace(one, epochs=np.append(one.epochs[1:], 42)),
            "with two predictions of an epoch: a1 (epoch 42)",
        ),
        (lambda one: broken(one, 3, 0.2, 0.2, 0.2, 0.2, 0.1), "epoch 13, sum 0.9)"),
        (lambda one: broken(one, 3, 0.2, 0.2, 0.2, 0.2, np.nan), "epoch 13, sum nan)"),
        (lambda one: broken(one, 3, 1.5, -0.5, 0, 0, 0), "epoch 13, lowest -0.5)"),
        (lambda one: broken(one, 3, np.inf, 0, 0, 0, 0), "epoch 13, sum inf)"),
        (lambda one: replace(one, epochs=one.epochs + 9000), "no epoch in the window in-bed: a1"),
    ],
)
def test_a_recording_whose_predictions_cannot_be_used_is_left_out_and_the_others_go_on(
    change, remark
):
    foreign = every()
    predictions, remarks = fit(foreign | {"a1": change(foreign["a1"])})
    assert [one.recording for one in predictions] == ["a2", "b1", "c1"]
    (line,) = remarks
    assert line.startswith("system: 1 recording left out, ") and remark in line


def test_probabilities_may_be_rounded_to_float16_and_to_three_decimals():
    values = np.random.default_rng(0).dirichlet(np.full(5, 0.5), 200_000)
    sums = values.astype("f2").astype(float).round(3).sum(axis=1)
    assert 0.5 * TOLERANCE < abs(sums - 1).max() < TOLERANCE


def test_where_nothing_fits_is_one_line():
    with pytest.raises(InputError, match=r"^system: no predictions that fit; 1 recording not in"):
        fit({"x": given(INFOS[0])})


# A shifted hypnogram: said, not mended.


@pytest.mark.parametrize("offset", [-9, -1, 1, 2, 10])
def test_a_shift_of_all_recordings_is_said_and_not_mended(offset):
    foreign = {n: replace(one, epochs=one.epochs + offset) for n, one in every().items()}
    predictions, remarks = fit(foreign)
    (line,) = (remark for remark in remarks if "agreement" in remark)
    assert "agreement is 8" in line and f" % at offset {-offset:+d} and " in line
    assert line.endswith(" % as given; check the first epoch")
    given_at = dict(zip(foreign["a1"].epochs, foreign["a1"].probabilities.argmax(1), strict=True))
    first = predictions[0]
    assert decided(first).tolist() == [given_at[place] for place in first.places]


def test_the_shift_of_one_recording_among_others_is_said():
    foreign = every()
    foreign["b1"] = replace(foreign["b1"], epochs=foreign["b1"].epochs + 4)
    (line,) = (remark for remark in fit(foreign)[1] if "first epoch" in remark)
    assert line.startswith("system: 1 recording where the first epoch is to be checked: b1 (")
    assert "at offset -4 and" in line


def test_classes_in_another_order_are_said_and_not_mended():
    order = [0, 4, 1, 2, 3]  # W, REM, N1, N2, N3 taken for W, N1, N2, N3, REM
    foreign = {n: replace(o, probabilities=o.probabilities[:, order]) for n, o in every().items()}
    predictions, remarks = fit(foreign)
    (line,) = remarks
    assert line.startswith("system: agreement is 85 % with ")
    assert "N1 read as REM" in line and line.endswith("as given; check the order of the classes")
    assert (decided(predictions[0]) == predictions[0].stages).mean() < 0.5


def test_exchanged_recordings_are_said():
    foreign = every()
    foreign["a1"], foreign["a2"] = foreign["a2"], foreign["a1"]
    (line,) = (remark for remark in fit(foreign)[1] if "chance" in remark)
    assert line.startswith("system: 2 recordings where agreement is that of chance ")
    assert line.endswith(": a1, a2; check the names")


def test_epochs_counted_from_lights_off_are_said():
    infos = [recording(name, seed, (30 * 30, 30 * 110)) for seed, name in enumerate(FOLDS)]
    foreign = {i.recording: given(i, first=30, last=109) for i in infos}
    foreign = {n: replace(one, epochs=one.epochs - 30) for n, one in foreign.items()}
    assert "not from lights off" in fit(foreign, infos)[1][-1]


def test_classes_that_agree_in_no_order_are_not_said():
    constant = {n: replace(o, probabilities=np.full((99, 5), 0.2)) for n, o in every().items()}
    assert not any("order of the classes" in remark for remark in fit(constant)[1])


# MATLAB files, which name no recordings.


def of_matlab(folder, fold, **variables):
    (folder / f"n{fold}").mkdir()
    savemat(folder / f"n{fold}" / "test_ret.mat", variables)


def test_predictions_without_names_are_of_the_folds_test_recordings_in_their_order(tmp_path):
    logits = [np.log(given(info).probabilities) for info in INFOS]
    for fold, parts in ((1, logits[:2]), (2, logits[2:3]), (3, logits[3:])):
        scores = np.vstack(parts)
        of_matlab(tmp_path, fold, score=scores, yhat=scores.argmax(1) + 1)
    (expected, _), (found, remarks) = fit(every()), fit(read_foreign(tmp_path))
    assert remarks == []
    for one, other in zip(found, expected, strict=True):
        assert (one.recording, one.fold) == (other.recording, other.fold)
        assert one.places.tolist() == other.places.tolist()
        np.testing.assert_allclose(one.probabilities["joint"], other.probabilities["joint"])


def test_stages_without_names_are_of_the_test_recordings_too(tmp_path):
    stages = np.concatenate([given(info).probabilities.argmax(axis=1) for info in INFOS[:2]])
    of_matlab(tmp_path, 1, yhat=stages + 1)
    predictions, remarks = fit(read_foreign(tmp_path))
    assert np.concatenate([decided(one) for one in predictions]).tolist() == stages.tolist()
    assert remarks == ["system: 2 recordings without predictions: b1, c1"]


def test_predictions_of_sequences_are_added_as_the_authors_evaluation_does(tmp_path):
    length, random = 20, np.random.default_rng(0)
    counts = [len(given(info).epochs) - length + 1 for info in INFOS[:2]]
    scores = random.normal(0, 3, (length, sum(counts), 5))
    of_matlab(tmp_path, 1, score=scores, yhat=scores.argmax(axis=2) + 1)
    predictions, _ = fit(read_foreign(tmp_path))
    start = 0
    for one, count in zip(predictions, counts, strict=True):
        # MATLAB: fused_score adds log([ones(19, 5); score{n}]) shifted by -(20 - n), for each n
        fused = np.zeros((count + length - 1, 5))
        for n, values in enumerate(log_softmax(scores[:, start : start + count], axis=2)):
            padded = np.vstack([np.zeros((length - 1, 5)), values])
            fused += np.roll(padded, -(length - 1 - n), axis=0)
        assert decided(one).tolist() == fused.argmax(axis=1).tolist()
        start += count
    single = log_softmax(scores[0, 0])  # the first epoch has one prediction, the second has two
    np.testing.assert_allclose(predictions[0].probabilities["joint"][0], softmax(single))


def test_a_number_of_epochs_that_does_not_fit_is_one_line_and_the_other_folds_go_on(tmp_path):
    of_matlab(tmp_path, 1, yhat=np.ones(197))
    of_matlab(tmp_path, 2, yhat=np.ones(99))
    of_matlab(tmp_path, 9, yhat=np.ones(99))
    predictions, remarks = fit(read_foreign(tmp_path))
    assert [one.recording for one in predictions] == ["b1"]
    assert remarks[:2] == [
        f"system: {tmp_path}/n1/test_ret.mat is left out: it has 197 predictions, but in the "
        "window in-bed there are 198 of the test recordings of fold 1 (a1 99, a2 99); name "
        "recordings and epochs in a CSV file",
        f"system: {tmp_path}/n9/test_ret.mat is left out: it has 99 predictions, but in the "
        "window in-bed there are 0 of the test recordings of fold 9 (none); name recordings and "
        "epochs in a CSV file",
    ]
