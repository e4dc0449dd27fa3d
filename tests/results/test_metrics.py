import numpy as np
import pytest
import sklearn.metrics as sklearn

from xsleep.core.errors import InputError
from xsleep.results.metrics import (
    CLASS_WISE,
    METRICS,
    class_wise,
    confusion,
    decided,
    measure,
    of_confusion,
    probabilities,
)
from xsleep.store.predictions import Prediction

# W, N1, N2, N3, REM: 4, 2, 6, 4, 4 epochs, of which 3, 1, 5, 4, 2 are right.
TRUE = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4])
PREDICTED = np.array([0, 0, 0, 1, 1, 4, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 1, 2])


def night(stages, name="night", **branches):
    stages = np.asarray(stages)
    scores = {branch: np.eye(5)[decided] for branch, decided in branches.items()}
    return Prediction(name, "subject", np.arange(len(stages)), stages, scores)


def test_confusion_has_true_stages_in_rows_and_predicted_ones_in_columns():
    assert confusion(TRUE, PREDICTED).tolist() == [
        [3, 1, 0, 0, 0],
        [0, 1, 0, 0, 1],
        [0, 0, 5, 1, 0],
        [0, 0, 0, 4, 0],
        [0, 1, 1, 0, 2],
    ]


def test_table2_metrics_as_computed_by_hand():
    values = measure(TRUE, PREDICTED)
    assert tuple(values) == METRICS
    assert values["accuracy"] == pytest.approx(100 * 15 / 20)
    by_chance = (4 * 3 + 2 * 3 + 6 * 6 + 4 * 5 + 4 * 3) / 20**2
    assert values["kappa"] == pytest.approx((15 / 20 - by_chance) / (1 - by_chance))
    f1 = np.array([6 / 7, 2 / 5, 10 / 12, 8 / 9, 4 / 7])
    assert values["MF1"] == pytest.approx(100 * f1.mean())
    sensitivity = np.array([3 / 4, 1 / 2, 5 / 6, 4 / 4, 2 / 4])
    assert values["sensitivity"] == pytest.approx(100 * sensitivity.mean())
    specificity = np.array([16 / 16, 16 / 18, 13 / 14, 15 / 16, 15 / 16])
    assert values["specificity"] == pytest.approx(100 * specificity.mean())


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_scikit_learn(seed):
    random = np.random.default_rng(seed)
    true = random.integers(0, 5, 300)
    predicted = np.where(random.random(300) < 0.6, true, random.integers(0, 5, 300))
    values = measure(true, predicted)
    assert values["accuracy"] == pytest.approx(100 * sklearn.accuracy_score(true, predicted))
    assert values["kappa"] == pytest.approx(sklearn.cohen_kappa_score(true, predicted))
    assert values["MF1"] == pytest.approx(100 * sklearn.f1_score(true, predicted, average="macro"))
    recall = sklearn.recall_score(true, predicted, average="macro")
    assert values["sensitivity"] == pytest.approx(100 * recall)
    others = [sklearn.recall_score(true != stage, predicted != stage) for stage in range(5)]
    assert values["specificity"] == pytest.approx(100 * np.mean(others))
    by_stage = class_wise(confusion(true, predicted))
    precision, recall, f1, _ = sklearn.precision_recall_fscore_support(true, predicted)
    assert tuple(by_stage) == CLASS_WISE
    for name, expected in zip(CLASS_WISE, (precision, recall, others, f1), strict=True):
        assert by_stage[name] == pytest.approx(100 * np.array(expected))


@pytest.mark.filterwarnings("error")
def test_many_confusion_matrices_are_measured_at_once():
    random = np.random.default_rng(0)
    counts = random.integers(0, 9, (3, 4, 5, 5))
    counts[0, 0, 2] = 0  # a stage that does not occur
    at_once = of_confusion(counts)
    for place in np.ndindex(3, 4):
        true, predicted = np.repeat(
            np.indices((5, 5)).reshape(2, -1), counts[place].ravel(), axis=1
        )
        for metric, value in measure(true, predicted).items():
            assert at_once[metric][place] == pytest.approx(value, nan_ok=True)


def test_a_stage_of_a_single_epoch_counts_in_the_means():
    values = measure(np.array([0, 0, 2]), np.array([0, 0, 0]))
    assert values["sensitivity"] == pytest.approx(50)
    assert values["MF1"] == pytest.approx(100 * 4 / 5 / 2)


def test_means_leave_out_a_stage_that_does_not_occur_in_truth():
    # One N2 epoch is called N3, which never occurs: N2 loses by it, N3 is no third stage.
    values = measure(np.array([0, 0, 2, 2]), np.array([0, 0, 2, 3]))
    assert values["sensitivity"] == pytest.approx(75)
    assert values["specificity"] == pytest.approx(100)
    assert values["MF1"] == pytest.approx(100 * (1 + 2 / 3) / 2)


@pytest.mark.filterwarnings("error")
def test_metrics_of_a_single_stage_are_nan_where_they_do_not_exist():
    values = measure(np.array([2, 2]), np.array([2, 2]))
    assert [values[m] for m in ("accuracy", "MF1", "sensitivity")] == [100, 100, 100]
    assert np.isnan([values["kappa"], values["specificity"]]).all()


@pytest.mark.parametrize(
    ("branches", "branch", "decided"),
    [
        ({"raw": [1], "joint": [2], "time-frequency": [3]}, None, 2),
        ({"raw": [1], "joint": [2], "time-frequency": [3]}, "raw", 1),
        ({"time-frequency": [3]}, None, 3),
    ],
)
def test_what_decides_is_the_joint_branch_the_only_one_or_the_named_one(branches, branch, decided):
    assert probabilities(night([0], **branches), branch).argmax(axis=1).tolist() == [decided]


def nan_night():
    bad = night([0, 1], joint=[0, 1])
    bad.probabilities["joint"][1, 3] = np.nan
    return bad


@pytest.mark.parametrize(
    ("refused", "branch", "names"),
    [
        (nan_night(), None, "nan.* in epoch 1"),
        (
            night([0, -1], joint=[0, 0]),
            None,
            "true stage -1 in epoch 1, not one of 0 to 4; leave epochs without a stage out of the "
            "test$",
        ),
        (night([0], joint=[0]), "raw", "no branch raw, only joint"),
        (night([0], joint=[0], raw=[0]), "x", "no branch x, only joint, raw$"),
        (
            night([0], raw=[0], **{"time-frequency": [0]}),
            None,
            "branches raw, time-frequency, none of them joint",
        ),
        (night([0], joint=[0, 1]), None, r"shape \(2, 5\) for 1 epochs"),
    ],
)
def test_bad_scores_are_refused_in_one_line(refused, branch, names):
    with pytest.raises(InputError, match=names) as error:
        probabilities(refused, branch)
    assert "\n" not in str(error.value)


def test_the_most_probable_stage_is_predicted():
    assert decided(night([0, 1, 2, 3], joint=[4, 1, 0, 3])).tolist() == [4, 1, 0, 3]


def test_a_system_without_probabilities_is_decided_by_its_stages():
    one = Prediction("night", "subject", np.arange(3), np.array([0, 1, 2]), {}, predicted=TRUE[:3])
    assert decided(one).tolist() == [0, 0, 0]
    with pytest.raises(InputError, match="night: no branch joint, only none"):
        probabilities(one)


@pytest.mark.parametrize(
    ("predicted", "true"), [([0, 1], [0, 1, 2]), ([0, 1, 5], [0, 1, 2]), ([0, 1, 2], [0, 1, -1])]
)
def test_predicted_stages_that_cannot_be_are_one_line(predicted, true):
    one = Prediction("n", "s", np.arange(3), np.array(true), {}, predicted=np.array(predicted))
    with pytest.raises(InputError, match=r"^n: .*stage.* 0 to 4"):
        decided(one)
