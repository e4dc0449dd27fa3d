import numpy as np
import pandas as pd
import pytest

from xsleep.errors import InputError
from xsleep.figures import fig1b

BRANCHES = tuple(fig1b.VIEWS)


def history(*branches):
    """Losses that fall on the training subset, and rise again on the validation set."""
    columns = {"step": 100 * np.arange(20)}
    for branch in branches:
        columns[f"{branch} training loss"] = np.linspace(1.5, 0.3, 20)
        columns[f"{branch} validation loss"] = 0.6 + (np.arange(20) - 8) ** 2 / 200
    return pd.DataFrame(columns)


ALONE = {system: history(view) for view, system in fig1b.VIEWS.items()}


def test_fig1b_has_a_panel_per_view_with_the_losses_of_the_network_that_has_it_alone(drawn):
    blending = {"XSleepNet2": history(*BRANCHES)}
    fig1b.draw(blending | ALONE, "unused", "fold 1")
    assert [panel.get_title() for panel in drawn[0].axes] == [
        "raw (FCNN+RNN)",
        "time-frequency (ARNN+RNN)",
        "joint (Naive Fusion)",
    ]
    for panel, (view, system) in zip(drawn[0].axes, fig1b.VIEWS.items(), strict=True):
        training, validation, lowest = panel.lines
        for line, name in ((training, "training"), (validation, "validation")):
            assert np.array_equal(line.get_ydata(), ALONE[system][f"{view} {name} loss"])
            assert np.array_equal(line.get_xdata(), ALONE[system]["step"])
        assert lowest.get_xdata()[0] == 800
        assert lowest.get_ydata()[0] == min(validation.get_ydata())


def test_fig1b_training_and_validation_are_told_apart_without_colour(drawn):
    fig1b.draw(ALONE, "unused", "fold 1")
    training, validation, _ = drawn[0].axes[0].lines
    assert (training.get_linestyle(), validation.get_linestyle()) == ("--", "-")


def test_fig1b_a_branch_of_xsleepnet_stands_in_for_a_network_that_was_not_trained(drawn):
    given = {"XSleepNet1": history(*BRANCHES), "Naive Fusion": ALONE["Naive Fusion"]}
    fig1b.draw(given, "unused", "fold 1")
    titles = [panel.get_title() for panel in drawn[0].axes]
    assert titles[0] == "raw (XSleepNet1, this branch)" and titles[2] == "joint (Naive Fusion)"


def test_fig1b_has_no_panel_for_a_view_that_no_network_learned(drawn):
    fig1b.draw({"FCNN+RNN": ALONE["FCNN+RNN"]}, "unused", "fold 1")
    assert [panel.get_title() for panel in drawn[0].axes] == ["raw (FCNN+RNN)"]


def test_fig1b_a_training_that_diverged_is_drawn_as_far_as_it_went(drawn):
    nowhere = history("raw").assign(**{"raw validation loss": np.nan})
    fig1b.draw({"FCNN+RNN": nowhere}, "unused", "fold 1")
    assert len(drawn[0].axes[0].lines) == 2


def test_fig1b_without_losses_is_one_line():
    with pytest.raises(InputError, match="no losses of a view in XSleepNet2; train") as error:
        fig1b.draw({"XSleepNet2": history()}, "unused", "fold 1")
    assert "\n" not in str(error.value)
