from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.studies import Study
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results.figures import hypnogram
from xsleep.store.predictions import Prediction
from xsleep.store.recordings import RecordingInfo

W, N1, N2, N3, REM = range(5)


def stored(step, first=0.0):
    """A night in the store, of epochs that begin every so many seconds."""
    places = np.arange(400)
    return RecordingInfo("a1", "a", places, first + step * places, np.zeros(400, "i1"))


STORED = stored(30)


def made_up(stages, called, places=None, branches=("joint",)):
    chances = np.full((len(stages), 5), 0.1)
    chances[np.arange(len(stages)), called] = 0.6
    places = np.arange(len(stages)) if places is None else np.array(places)
    return Prediction("a1", "a", places, np.array(stages), dict.fromkeys(branches, chances))


def steps(panel):
    """Values of the step lines of a panel."""
    return [patch.get_data().values for patch in panel.patches]


def test_true_stages_are_over_predicted_ones_and_the_marks_are_where_they_differ(drawn):
    hypnogram.draw(made_up([W, N1, N2, N3, REM], [W, N1, N2, N2, W]), STORED, "unused", "here")
    true, called, _ = drawn[0].axes
    assert hypnogram.DEPTH == ("W", "REM", "N1", "N2", "N3")
    assert steps(true)[0].tolist() == [0, 2, 3, 4, 1]
    assert steps(called)[0].tolist() == [0, 2, 3, 3, 0]
    assert np.isfinite(steps(called)[2]).tolist() == [False, False, False, True, True]


def test_probabilities_are_stacked_to_one_from_deep_to_light(drawn):
    night = made_up([W, N1, N2], [W, REM, N2])
    hypnogram.draw(night, STORED, "unused", "here")
    panel = drawn[0].axes[2]
    assert [patch.get_label() for patch in panel.patches] == list(reversed(hypnogram.DEPTH))
    below = 0
    for values, stage in zip(steps(panel), reversed(hypnogram.DEPTH), strict=True):
        chances = night.probabilities["joint"][:, STAGES.index(stage)]
        assert values - below == pytest.approx(chances)
        below = values
    assert below == pytest.approx(1)


def test_a_system_without_probabilities_has_no_panel_of_them(drawn):
    night = made_up([W, N1, N2], [W, REM, N2], branches=())
    predicted = replace(night, predicted=np.array([W, REM, N2]))
    hypnogram.draw(predicted, STORED, "unused", "here")
    _, called = drawn[0].axes
    assert steps(called)[0].tolist() == [0, 1, 3]
    assert called.get_xlabel() == "time since the recording began (h:mm)"


def test_epochs_without_a_stage_are_left_blank(drawn):
    hypnogram.draw(made_up([W, W, N2], [W, W, N2], places=[3, 4, 7]), STORED, "unused", "here")
    for panel in drawn[0].axes:
        blank = np.isnan(steps(panel)[0])
        assert blank.tolist() == [False, False, True, True, False]
    edges = drawn[0].axes[0].patches[0].get_data().edges
    assert edges.tolist() == [90, 120, 150, 180, 210, 240]


def test_epochs_that_were_scored_every_20_s_stand_where_they_are_in_the_recording(drawn):
    hypnogram.draw(made_up([W, W, N2], [W, W, N2], places=[1, 2, 3]), stored(20, -5), "unused", "")
    edges = drawn[0].axes[0].patches[0].get_data().edges
    assert edges == pytest.approx([15, 35, 55, 75])


def test_dollar_signs_in_a_name_are_no_formula(tmp_path):
    night = replace(made_up([W, N1], [W, N1]), recording=r"$(touch x) \x$", subject="$_$")
    hypnogram.draw(night, STORED, tmp_path / "night", "$_$")
    assert r"$(touch x) \x$" in (tmp_path / "night.svg").read_text()


def test_a_recording_of_a_single_stage_is_drawn(drawn):
    hypnogram.draw(made_up([N2] * 300, [N2] * 300, branches=["raw"]), STORED, "unused", "here")
    assert "accuracy 100.0 %" in drawn[0].get_suptitle()


def ticks(panel):
    """Return the labels of the time axis by the second of the recording where they stand."""
    labels = [label.get_text() for label in panel.get_xticklabels()]
    return dict(zip(panel.get_xticks().tolist(), labels, strict=True))


@pytest.mark.parametrize(
    ("start", "epochs", "expected"),
    [
        (None, 180, {600 * n: f"{n // 6}:{n % 6}0" for n in range(10)}),
        (None, 4, {0: "0:00", 60: "0:01", 120: "0:02"}),
        (22.5 * 3600 + 10, 480, {1790: "23:00", 3590: "23:30", 5390: "00:00", 7190: "00:30"}),
        (86395, 120, {5: "00:00", 605: "00:10", 3005: "00:50"}),
    ],
)
def test_the_axis_has_clock_times_on_the_hour_where_the_start_is_known(
    drawn, start, epochs, expected
):
    night = replace(STORED, start=start)
    stages = [N2] * epochs
    called = made_up(stages, stages, places=range(epochs))
    long = replace(night, places=np.arange(500), onsets=30.0 * np.arange(500))
    hypnogram.draw(called, long, "unused", "here")
    axis = drawn[0].axes[2]
    assert axis.get_xlabel() == ("clock time" if start else "time since the recording began (h:mm)")
    found = ticks(axis)
    assert expected.items() <= found.items() and len(found) <= hypnogram.MOST + 1


@pytest.fixture
def study(tmp_path):
    """Nights of which b1 is the best, a1 the median and d1 the worst."""
    study = Study(tmp_path)
    study.run("b1", skill=9)
    study.run("a1", skill=0.2, fold=2)
    study.run("d1", skill=-9, fold=3)
    return study


@pytest.mark.parametrize(
    ("night", "recording"), [("best", "b1"), ("median", "a1"), ("worst", "d1"), ("a1", "a1")]
)
def test_a_recording_is_picked_by_accuracy_or_by_its_name(study, night, recording):
    seed, scored = hypnogram.pick(study.runs, study.results()[0], night)
    assert (seed, scored.recording) == (0, recording)


def test_a_single_recording_is_best_median_and_worst(tmp_path):
    study = Study(tmp_path)
    study.run("a1")
    for night in hypnogram.PICKS:
        assert hypnogram.pick(study.runs, study.results()[0], night)[1].recording == "a1"


def test_of_several_seeds_the_first_that_is_used_is_drawn_and_told(study):
    for fold, name in enumerate(("b1", "a1", "d1"), start=1):
        study.run(name, seed=1, fold=fold)
    assert hypnogram.pick(study.runs, study.results()[0], "worst")[0] == 0
    study.runs[0].predictions.write_text("not HDF5")
    assert hypnogram.pick(study.runs, study.results()[0], "b1")[0] == 1


def test_a_recording_that_was_not_tested_is_one_line_that_names_some_that_were(study):
    with pytest.raises(
        InputError, match=r"XSleepNet2: c1 was not tested; name one of .*a1"
    ) as error:
        hypnogram.pick(study.runs, study.results()[0], "c1")
    assert "\n" not in str(error.value)


def test_without_usable_predictions_the_reason_is_given(tmp_path):
    study = Study(tmp_path)
    study.run("a1")
    study.runs[0].predictions.write_text("not HDF5")
    with pytest.raises(InputError, match=r"no recording to draw: .*not a readable HDF5 file"):
        hypnogram.pick(study.runs, study.results()[0], "best")
