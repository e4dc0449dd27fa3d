import numpy as np
import pytest

from tests.helpers.studies import Study, epochs
from xsleep.core.errors import InputError
from xsleep.results.figures import calibration
from xsleep.store.predictions import Prediction, write_predictions


def sure(confidence, right):
    """A night whose epochs have these confidences, as many of them right."""
    confidence = np.asarray(confidence)
    true = np.arange(len(confidence)) % 5
    called = np.where(right, true, (true + 1) % 5)
    chances = np.repeat((1 - confidence[:, None]) / 4, 5, axis=1)
    chances[np.arange(len(true)), called] = confidence
    return Prediction("a1", "a", np.arange(len(true)), true, {"joint": chances})


def test_epochs_are_counted_by_how_sure_the_stage_that_is_decided_for_is():
    counts, confidence, right = calibration.binned(sure([0.42, 0.48, 0.95, 1], [1, 0, 1, 1]))
    assert counts.tolist() == [0, 0, 0, 0, 2, 0, 0, 0, 0, 2]
    assert confidence[[4, 9]] == pytest.approx([0.9, 1.95])
    assert right.tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0, 2]


def test_a_system_without_probabilities_has_no_epochs_to_calibrate():
    stages = np.arange(5)
    one = Prediction("a1", "a", np.arange(5), stages, {}, predicted=stages)
    assert not calibration.binned(one).any()


def test_the_expected_calibration_error_weighs_bins_by_their_epochs():
    bins = calibration.binned(sure([0.65] * 5 + [0.9] * 10, [1] * 4 + [0] + [1] * 8 + [0] * 2))
    assert calibration.expected_error(bins) == pytest.approx(100 * (5 * 0.15 + 10 * 0.1) / 15)


def test_epochs_are_those_that_table2_counts(tmp_path):
    study = Study(tmp_path)
    nights = study.run("a1", "b1") + study.run("d1", fold=2)
    study.run("e1", fold=3)
    study.runs[-1].predictions.write_text("not HDF5")
    recordings = {"SleepEDF-20": study.recordings("SleepEDF-20")}
    normal = [
        Prediction(
            *(n.recording, n.subject, n.places, n.stages),
            {b: p / p.sum(axis=1, keepdims=True) for b, p in n.probabilities.items()},
        )
        for n in nights
    ]
    write_predictions(study.runs[0].predictions, normal[:2])
    write_predictions(study.runs[1].predictions, normal[2:])
    results, bins = calibration.tested(study.runs, recordings)
    assert bins["XSleepNet2"][0].sum() == results[0].epochs() == 60
    true, predicted = epochs(nights)
    assert bins["XSleepNet2"][2].sum() == (true == predicted).sum()
    assert len(results[0].gaps) == 1


def test_each_system_has_its_accuracy_over_its_confidence_and_a_line_of_equality(drawn):
    one = calibration.binned(sure([0.42, 0.48, 0.95, 1], [1, 0, 1, 1]))
    systems = {f"system {n}": one for n in range(5)}
    calibration.draw(systems | {"untested": 0 * one}, "unused", "here")
    shown = [panel for panel in drawn[0].axes if panel.get_title()]
    assert [panel.get_title().split("\n")[0] for panel in shown] == [*systems]
    equal, line = shown[0].lines
    assert np.array_equal(equal.get_xdata(), equal.get_ydata())
    assert line.get_xdata() == pytest.approx([0.45, 0.975])
    assert line.get_ydata() == pytest.approx([0.5, 1])


def test_where_no_system_gives_probabilities_the_figure_says_so_without_panels(drawn):
    calibration.draw({"XSleepNet2": np.zeros((3, calibration.BINS))}, "unused", "here")
    assert drawn[0].get_suptitle() == "No calibration, as no system gives probabilities\nhere"
    assert not drawn[0].axes


def test_without_systems_it_says_what_to_do():
    with pytest.raises(InputError, match="here: no epochs to calibrate; train and score"):
        calibration.draw({}, "unused", "here")
