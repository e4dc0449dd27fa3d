import numpy as np
import pandas as pd
import pytest

from xsleep.errors import InputError
from xsleep.figures import fig5

EVALUATIONS = 40


def history(*branches, seed=0):
    rng = np.random.default_rng(seed)
    columns = {"step": 100 * np.arange(EVALUATIONS)}
    for branch in branches:
        columns[f"{branch} validation loss"] = 0.6 + np.exp(-columns["step"] / 800)
        columns[f"{branch} weight"] = rng.uniform(size=EVALUATIONS)
    return pd.DataFrame(columns)


@pytest.fixture
def figures(monkeypatch):
    """The figures that were drawn, instead of files."""
    drawn = []
    monkeypatch.setattr(fig5, "save", lambda figure, stem: drawn.append(figure))
    return drawn


def test_fig5_has_a_column_per_xsleepnet_with_losses_above_weights(figures):
    both = {"XSleepNet2": history(*fig5.BRANCHES), "XSleepNet1": history(*fig5.BRANCHES, seed=1)}
    fig5.draw(both, "unused", "fold 1")
    fig5.draw({"XSleepNet2": both["XSleepNet2"]}, "unused", "fold 1")
    first, second, key, *weights = figures[0].axes
    assert (first.get_title(), second.get_title()) == ("XSleepNet1", "XSleepNet2")
    assert [text.get_text() for text in key.get_legend().get_texts()] == list(fig5.BRANCHES)
    assert len(weights) == 3 and len(figures[1].axes) == 4
    assert [line.get_label() for line in first.lines] == list(fig5.BRANCHES)
    assert figures[1].axes[0].get_title() == "XSleepNet2"


def test_fig5_weights_of_xsleepnet2_are_smoothed_over_the_last_10_with_the_raw_ones_beside(
    figures,
):
    given = history(*fig5.BRANCHES)
    fig5.draw({"XSleepNet1": given, "XSleepNet2": given}, "unused", "fold 1")
    plain, smoothed, raw = figures[0].axes[3:]
    for place, branch in enumerate(fig5.BRANCHES):
        weights = given[f"{branch} weight"].to_numpy()
        for panel in (plain, raw):
            assert np.array_equal(panel.lines[place].get_ydata(), weights)
        assert smoothed.lines[place].get_ydata()[20] == pytest.approx(weights[11:21].mean())
    assert "mean of the last 10" in smoothed.get_title() and "as they were" in raw.get_title()


def test_fig5_weights_are_not_drawn_before_they_are_defined(figures):
    given = history(*fig5.BRANCHES)
    given.loc[:20, "raw weight"] = np.nan
    fig5.draw({"XSleepNet2": given}, "unused", "fold 1")
    assert np.isnan(figures[0].axes[2].lines[0].get_ydata()[:21]).all()


def test_fig5_other_systems_are_dashed_beside_the_branch_that_they_are(figures):
    others = {
        "Naive Fusion": history("joint"),
        "ARNN+RNN": history("time-frequency"),
        "FCNN+RNN": history("raw"),
    }
    fig5.draw({"XSleepNet1": history(*fig5.BRANCHES)} | others, "unused", "fold 1")
    lines = {line.get_label(): line for line in figures[0].axes[0].lines}
    for other, branch in zip(others, ("joint", "time-frequency", "raw"), strict=True):
        assert lines[other].get_linestyle() == "--"
        assert lines[other].get_color() == lines[branch].get_color()


def test_fig5_bytes_are_the_same_every_time(tmp_path):
    for stem in ("one", "two"):
        fig5.draw({"XSleepNet2": history(*fig5.BRANCHES)}, tmp_path / stem, "fold 1")
    for suffix in ("svg", "png"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (
            tmp_path / f"two.{suffix}"
        ).read_bytes()


@pytest.mark.parametrize(
    ("histories", "names"),
    [
        ({"ARNN+RNN": history("raw")}, "no XSleepNet in ARNN.RNN; train"),
        ({"XSleepNet2": history("raw")}, "no column 'time-frequency validation loss' in .*Net2"),
        (
            {"XSleepNet2": history(*fig5.BRANCHES), "FCNN+RNN": history()},
            "no validation loss in the history of FCNN.RNN",
        ),
    ],
)
def test_fig5_bad_histories_are_one_line(histories, names):
    with pytest.raises(InputError, match=names) as error:
        fig5.draw(histories, "unused", "fold 1")
    assert "\n" not in str(error.value)
