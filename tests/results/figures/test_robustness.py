import numpy as np
import pandas as pd
import pytest

from xsleep.core.errors import InputError
from xsleep.results.figures import robustness
from xsleep.results.robustness import COLUMNS, NONE


def made_up(channel_sets=("EEG",), systems=("Net", "Other")):
    rows = [
        {"database": "simulated", "window": "in-bed", "channels": channels, "system": system}
        | {"perturbation": name, "accuracy": 80.0 - loss, "loss of accuracy": loss}
        | {"95 % from loss of accuracy": loss - 1, "95 % to loss of accuracy": loss + 2}
        for channels in channel_sets
        for system in systems
        for name, loss in ((NONE, np.nan), ("EEG flat", 40.0), ("gain x2", 3.0))
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["accuracy"] = table["accuracy"].fillna(80.0)
    return table


def test_every_system_has_a_marker_with_its_interval_under_each_perturbation(drawn):
    robustness.draw(made_up(), "unused", [])
    (panel,) = drawn[0].axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["EEG flat", "gain x2"]
    assert [text.get_text() for text in panel.get_legend().get_texts()] == [
        "Net (80.0 %)",
        "Other (80.0 %)",
    ]
    for container in panel.containers:
        line, _, (bars,) = container
        assert line.get_xdata().tolist() == [40, 3]
        assert [(x0, x1) for (x0, _), (x1, _) in bars.get_segments()] == [(39, 42), (2, 5)]
    one, other = (container[0] for container in panel.containers)
    assert one.get_marker() != other.get_marker() and (one.get_ydata() < other.get_ydata()).all()


def test_a_panel_for_each_channel_set_says_whether_recordings_are_simulated(drawn):
    table = made_up(["EEG", "EEG-EOG"])
    robustness.draw(table, "unused", ["simulated"])
    titles = [panel.get_title(loc="left") for panel in drawn[0].axes]
    assert len(titles) == 2 and all("simulated nights: not sleep" in title for title in titles)


def test_a_table_without_any_score_is_refused_in_one_line():
    table = made_up()
    table["accuracy"] = np.nan
    with pytest.raises(InputError, match="no system was scored"):
        robustness.draw(table, "unused", [])
