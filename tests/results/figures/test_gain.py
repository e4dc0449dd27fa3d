import numpy as np
import pytest

from tests.helpers.studies import Study
from tests.results.figures.test_learning import keys
from xsleep.core.errors import InputError
from xsleep.results.comparisons import paired
from xsleep.results.figures import gain
from xsleep.results.published import published

NAMES = ("a1", "b1", "d1", "e1", "f1")
SYSTEMS = {"XSleepNet2": 0.6, "Naive Fusion": 0.3, "ARNN+RNN": 0.1, "FCNN+RNN": 0.2}
"""Systems and their skill, by which their accuracies differ."""


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def ran(study, *names, systems=SYSTEMS, **where):
    """Return the results of systems on recordings of a database, window and channel set."""
    for system in systems:
        study.run(*(names or NAMES), system=system, skill=SYSTEMS[system], **where)
    return study.results()


def spans(panel):
    """Ends of the intervals of a panel."""
    lines = [line for line in panel.lines if len(line.get_xdata()) == 2]
    return [line.get_xdata().tolist() for line in lines if line.get_ydata()[0] not in (0, 1)]


def test_sec4_4_a_gain_is_over_the_better_single_view_with_its_paired_interval(study):
    results = ran(study)
    by_name = {result.system: result for result in results}
    gained = gain.gains(results).query("source == 'measured'").set_index(["system", "metric"])
    assert len(gained) == 2 * 3
    for (system, metric), row in gained.iterrows():
        over = [paired(by_name[system], by_name[n])[metric] for n in ("ARNN+RNN", "FCNN+RNN")]
        least = min(over, key=lambda values: values["difference"])
        assert row["gain"] == least["difference"]
        assert row[["95 % from", "95 % to"]].tolist() == [least["95 % from"], least["95 % to"]]
        assert row["95 % from"] <= row["gain"] <= row["95 % to"]


def test_sec4_4_a_published_gain_is_over_the_better_published_single_view(study):
    gained = gain.gains(ran(study)).query("source == 'published' and metric == 'accuracy'")
    known = {s: published("SleepEDF-20", "in-bed", s, "EEG")["accuracy"] for s in SYSTEMS}
    better = max(known["ARNN+RNN"], known["FCNN+RNN"])
    found = gained.set_index("system")["gain"]
    assert found.to_dict() == {s: known[s] - better for s in ("XSleepNet2", "Naive Fusion")}


def test_sec4_4_is_over_the_recordings_that_both_tested_and_has_none_without_a_single_view(study):
    ran(study, systems=("XSleepNet2", "ARNN+RNN"))
    study.run("a1", "b1", system="FCNN+RNN", skill=-5)
    assert len(gain.gains(study.results()).query("source == 'measured'")) == 3
    without = [result for result in study.results() if result.system != "FCNN+RNN"]
    assert gain.gains(without).empty
    with pytest.raises(InputError, match=r"train ARNN.RNN, FCNN.RNN and"):
        gain.draw(without, "unused")


def test_sec4_4_has_small_databases_above_large_ones_and_a_row_of_panels_per_channel_set(
    study, drawn
):
    ran(study, database="MASS", window="whole-night")
    ran(study, *NAMES[:3], channels="EEG-EOG")
    results = ran(study, *NAMES[:3])
    gain.draw(results, "unused", ["MASS"])
    (figure,) = drawn
    assert figure.get_suptitle().endswith("(database MASS: simulated nights: not sleep)")
    assert [panel.get_title("left") for panel in figure.axes[::3]] == ["EEG", "EEG-EOG"]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["SleepEDF-20\nin-bed", "MASS\nwhole-night"]
    low, high = figure.axes[0].get_ylim()
    assert low > high  # the first is at the top


def test_sec4_4_measured_is_filled_with_its_interval_and_published_hollow_on_the_same_line(
    study, drawn
):
    results = ran(study)
    gain.draw(results, "unused")
    expected = gain.gains(results).query("metric == 'accuracy'")
    panel = drawn[0].axes[0]
    marks = [line for line in panel.lines if len(line.get_xdata()) == 1]
    assert [mark.get_xdata()[0] for mark in marks] == expected["gain"].tolist()
    for measured, known in zip(marks[::2], marks[1::2], strict=True):
        assert measured.get_marker() == known.get_marker()
        assert measured.get_markerfacecolor() != "white" == known.get_markerfacecolor()
        assert measured.get_ydata() == known.get_ydata()
    found = [ends for ends in spans(panel) if np.isfinite(ends).all()]
    of_measured = expected[expected["source"] == "measured"]
    assert found == of_measured[["95 % from", "95 % to"]].to_numpy().tolist()
    assert keys(drawn[0])[2:] == ["measured", "published", "paired 95 % interval"]


def test_sec4_4_without_intervals_or_published_values_there_are_no_keys_of_them(study, drawn):
    gain.draw(ran(study, "a1", database="own", window="whole-night"), "unused")
    assert keys(drawn[0]) == ["XSleepNet2", "Naive Fusion"]
