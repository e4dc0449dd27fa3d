import numpy as np
import pytest

from tests.results.figures.test_fig4 import made_up
from xsleep.core.errors import InputError
from xsleep.results.figures import gain
from xsleep.results.published import CHANNELS, database_windows, published

PLACES = database_windows()
SUBJECTS = {"SleepEDF-20": 20, "SleepEDF-78": 78, "MASS": 200, "Physio2018": 994, "SHHS": 5791}


def table(places=PLACES, channel_sets=CHANNELS):
    made = made_up(places, channel_sets)
    return made.assign(subjects=[SUBJECTS[database] for database in made["database"]])


def test_sec4_4_a_gain_is_over_the_better_single_view_measured_and_published_each_by_itself():
    made = table()
    gained = gain.gains(made).set_index(
        ["source", "database", "window", "channels", "metric", "system"]
    )["gain"]
    where = ("SleepEDF-20", "in-bed+30min")
    rows = made[(made["database"] == where[0]) & (made["window"] == where[1])]
    measured = rows[rows["source"] == "measured"].set_index("system")["EEG accuracy"]
    found = gained["measured", *where, "EEG", "accuracy", "XSleepNet2"]
    assert found == measured["XSleepNet2"] - measured[["ARNN+RNN", "FCNN+RNN"]].max()
    known = {
        system: published(*where, system, "EEG")["accuracy"]
        for system in ("XSleepNet2", "ARNN+RNN", "FCNN+RNN")
    }
    found = gained["published", *where, "EEG", "accuracy", "XSleepNet2"]
    assert found == pytest.approx(known["XSleepNet2"] - max(known["ARNN+RNN"], known["FCNN+RNN"]))


def test_sec4_4_has_no_gain_where_a_single_view_is_missing():
    made = table(PLACES[:1], ["EEG"])
    assert gain.gains(made[made["system"] != "FCNN+RNN"]).empty
    made.loc[(made["system"] == "ARNN+RNN") & (made["source"] == "measured"), "EEG MF1"] = np.nan
    gained = gain.gains(made).query("source == 'measured'")
    assert {*gained["metric"]} == {"accuracy", "kappa"}


def test_sec4_4_has_small_databases_before_large_ones_and_a_row_per_measured_channel_set(drawn):
    gain.draw(table(PLACES[::-1], CHANNELS[:2]), "unused")
    panels = drawn[0].axes
    assert [panel.get_title("left") for panel in panels[::3]] == list(CHANNELS[:2])
    labels = [label.get_text().split("\n")[0] for label in panels[-1].get_xticklabels()]
    assert labels == sorted(labels, key=SUBJECTS.__getitem__) and len(labels) == 7


def test_sec4_4_a_channel_set_of_ones_own_has_a_row(drawn):
    made = made_up([("own", "whole-night")], ["EEG", "EEG-EEG2"]).assign(subjects=5)
    gain.draw(made, "unused")
    assert [p.get_title("left") for p in drawn[0].axes[::3]] == ["EEG", "EEG-EEG2"]


def test_sec4_4_measured_is_filled_and_published_hollow_right_beside(drawn):
    gain.draw(table(PLACES[:1], ["EEG"]), "unused")
    *markers, _ = drawn[0].axes[0].lines
    assert len(markers) == 6
    for measured, known in zip(markers[:3], markers[3:], strict=True):
        assert measured.get_marker() == known.get_marker()
        assert measured.get_markerfacecolor() != "white" == known.get_markerfacecolor()
        assert 0 < known.get_xdata()[0] - measured.get_xdata()[0] < 0.15


def test_sec4_4_without_both_single_views_says_what_to_train():
    made = table(PLACES[:1], ["EEG"])
    with pytest.raises(InputError, match=r"train ARNN.RNN, FCNN.RNN and"):
        gain.draw(made[made["system"] != "FCNN+RNN"], "unused")
