"""Systems of one's own stand in the figures that their YAML files name."""

import numpy as np
import pandas as pd
import pytest

from tests.helpers.studies import Study
from tests.results.figures.test_fig4 import made_up
from tests.results.figures.test_learning import ALL, history, keys
from xsleep import systems
from xsleep.results.figures import fig4, gain, learning
from xsleep.results.published import database_windows

ONE_VIEW = """
name: Band Means
place: 9
streams: {time-frequency: band_means}
branches: [time-frequency]
cost: 0.5
figures: [learning]
"""
TWO_VIEWS = """
name: Own Views
place: 10
streams: {raw: fcnn_rnn, time-frequency: band_means}
branches: [raw, time-frequency, joint]
blending: tangents
cost: 7
figures: [learning, gain]
"""


@pytest.fixture
def histories(register):
    register(ONE_VIEW, TWO_VIEWS)
    own = {name: history(name) for name in ("Band Means", "Own Views")}
    return ALL | own


def panels(figure, histories, drawn):
    learning.draw(figure, histories, "unused", "fold 1")
    return {axes.get_title(): axes for axes in drawn[-1].axes if axes.get_title()}


@pytest.mark.parametrize("figure", ["fig5", "fig6"])
def test_fig5_fig6_each_system_of_ones_own_has_the_losses_of_its_branches(histories, drawn, figure):
    found = panels(figure, histories, drawn)
    for name, title in {"Band Means": "Band Means", "Own Views": "Own Views: branches"}.items():
        lines = [line.get_ydata() for line in found[title].lines]
        branches = systems.registry()[name].branches
        for values, branch in zip(lines, branches, strict=True):
            assert np.array_equal(values, histories[name][f"{branch} validation loss"])


def test_fig5_adaptive_weights_of_ones_own_stand_below_the_losses(histories, drawn):
    found = panels("fig5", histories, drawn)
    weights = found["Own Views: weights,\nmean of 10 evaluations"].get_subplotspec()
    assert weights.colspan == found["Own Views: branches"].get_subplotspec().colspan
    assert weights.is_last_row()
    assert not any(title.startswith("Band Means: weights") for title in found)
    assert keys(drawn[-1])[-1] == "weights of XSleepNet2, Own Views,\nunsmoothed"


def test_fig1_systems_of_ones_own_share_a_panel_with_both_single_views(histories, drawn):
    lines = panels("fig1", histories, drawn)["other systems"].lines
    shown = {
        "FCNN+RNN": "raw",
        "ARNN+RNN": "time-frequency",
        "Band Means": "time-frequency",
        "Own Views": "joint",
    }
    for line, (name, branch) in zip(lines, shown.items(), strict=True):
        assert np.array_equal(line.get_ydata(), histories[name][f"{branch} validation loss"])
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == len(lines)
    assert keys(drawn[-1])[-2:] == ["Band Means", "Own Views"]


def test_fig4_and_gain_have_a_system_of_ones_own(register, drawn, tmp_path):
    register(ONE_VIEW, TWO_VIEWS)
    made = made_up(database_windows()[:1], ["EEG"]).assign(subjects=20)
    measured = made[(made["system"] == "XSleepNet2") & (made["source"] == "measured")]
    own = [measured.assign(system=name) for name in ("Band Means", "Own Views")]
    made = pd.concat([made, *own])
    fig4.draw(made, "unused")
    assert {"Band Means", "Own Views"} < {*keys(drawn[0])}
    study = Study(tmp_path)
    for name in ("ARNN+RNN", "FCNN+RNN", "Band Means", "Own Views"):
        study.run("a1", "b1", system=name)
    assert {*gain.gains(study.results())["system"]} == {"Own Views"}
    gain.draw(study.results(), "unused")
    assert "Own Views" in keys(drawn[1])
