import re

import numpy as np
import pandas as pd
import pytest

from xsleep import systems
from xsleep.core.errors import InputError
from xsleep.results.figures import FORMATS, learning

FIGURES = ("fig1", "fig5", "fig6")
BRANCHES = {
    system: systems.registry()[system].branches for system in systems.of_paper("XSleepNet")[::-1]
}
BASELINES = ("FCNN+RNN", "ARNN+RNN", "Naive Fusion")


def history(system, evaluations=30, every=100):
    """Losses that fall and rise again, different in each system and branch, and noisy weights."""
    step, rng = every * np.arange(evaluations), np.random.default_rng(len(system))
    columns = {"step": step}
    for branch in systems.registry()[system].branches:
        columns[f"{branch} validation loss"] = 0.6 + np.exp(-step / 800) + rng.uniform(0, 0.1)
        columns[f"{branch} weight"] = rng.uniform(size=evaluations)
    return pd.DataFrame(columns)


ALL = {system: history(system) for system in BRANCHES}


def drawn_by(figure, histories, drawn):
    """The panels by their letters; one that only holds the legend has none."""
    learning.draw(figure, histories, "unused", "fold 1")
    return {axes.get_title()[1]: axes for axes in drawn[-1].axes if axes.get_title()}


def colour(branch):
    return learning.LOOKS[branch]["color"]


def curves(axes):
    """Return the last line that is drawn in each colour."""
    return {line.get_color(): line.get_ydata() for line in axes.lines}


def has(axes, system, quantity="validation loss"):
    """Return whether a panel shows this column of a history for all branches of a system."""
    found = curves(axes)
    return all(
        np.array_equal(found.get(colour(branch)), ALL[system][f"{branch} {quantity}"])
        for branch in BRANCHES[system]
    )


def said(axes):
    """Return what the title of a panel says of systems that were not run."""
    return "".join(re.findall("not run: .*", axes.get_title()))


def keys(figure):
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    return [text.get_text() for legend in legends if legend for text in legend.get_texts()]


def test_fig1_b_has_simple_concatenation_and_d_xsleepnet2_each_with_both_single_views(drawn):
    panels = drawn_by("fig1", ALL, drawn)
    assert list(panels) == ["b", "d"]
    for axes in panels.values():
        assert len(axes.lines) == 3 and has(axes, "FCNN+RNN") and has(axes, "ARNN+RNN")
    assert has(panels["b"], "Naive Fusion")
    joint = ALL["XSleepNet2"]["joint validation loss"]
    assert np.array_equal(curves(panels["d"])[colour("joint")], joint)
    assert panels["d"].get_title() == "(d) XSleepNet2"


def test_fig1_d_is_of_xsleepnet1_where_xsleepnet2_was_not_run(drawn):
    some = {system: ALL[system] for system in ("XSleepNet1", "ARNN+RNN")}
    panels = drawn_by("fig1", some, drawn)
    assert list(panels) == ["d"] and panels["d"].get_title().startswith("(d) XSleepNet1\n")
    assert said(panels["d"]) == "not run: FCNN+RNN"


def test_fig5_panels_are_those_of_the_caption(drawn):
    panels = drawn_by("fig5", ALL, drawn)
    assert list(panels) == ["a", "b", "c", "d", "e"]
    for baseline in BASELINES:
        assert has(panels["a"], baseline)
    assert has(panels["b"], "XSleepNet1") and has(panels["c"], "XSleepNet2")
    assert has(panels["d"], "XSleepNet1", "weight")
    assert not any(said(axes) for axes in panels.values())
    # (d) stands below (b) and (e) below (c)
    for above, below in ("bd", "ce"):
        places = [panels[letter].get_subplotspec().colspan for letter in (above, below)]
        assert places[0] == places[1]


def test_fig5_e_is_a_moving_average_of_10_points_with_the_unsmoothed_weights_behind(drawn):
    lines = drawn_by("fig5", ALL, drawn)["e"].lines
    for faint, smooth, branch in zip(lines[::2], lines[1::2], learning.LOOKS, strict=True):
        weights = ALL["XSleepNet2"][f"{branch} weight"].to_numpy()
        assert np.array_equal(faint.get_ydata(), weights)
        means = [weights[max(0, n - 9) : n + 1].mean() for n in range(len(weights))]
        # a running sum of at most 30 weights below 1, each rounded to 1.1e-16
        assert smooth.get_ydata() == pytest.approx(means, abs=1e-14)
        assert faint.get_linewidth() < smooth.get_linewidth()


def test_fig6_panels_are_those_of_the_caption(drawn):
    panels = drawn_by("fig6", ALL, drawn)
    assert list(panels) == ["a", "b", "c"]
    for letter, names in {"a": [*BASELINES], "b": ["XSleepNet1"], "c": ["XSleepNet2"]}.items():
        assert len(panels[letter].lines) == 3 and all(has(panels[letter], s) for s in names)


@pytest.mark.parametrize("figure", FIGURES)
def test_fig1_fig5_fig6_panels_of_one_quantity_have_the_same_axes(drawn, figure):
    panels = drawn_by(figure, ALL | {"FCNN+RNN": history("FCNN+RNN", 50)}, drawn)
    of_weights = {"d", "e"} if figure == "fig5" else set()
    for letters in ({*panels} - of_weights, of_weights):
        assert len({panels[letter].get_ylim() for letter in letters}) <= 1
    assert len({axes.get_xlim() for axes in panels.values()}) == 1


@pytest.mark.parametrize("figure", FIGURES)
def test_fig1_fig5_fig6_hundreds_of_evaluations_have_no_markers_and_a_few_have(drawn, figure):
    many = {system: history(system, 300) for system in BRANCHES}
    for histories, marked in ((many, False), (ALL, True)):
        for axes in drawn_by(figure, histories, drawn).values():
            heavy = [line for line in axes.lines if line.get_alpha() is None]
            assert heavy
            assert all((line.get_marker() not in ("", "None")) is marked for line in heavy)


def test_fig1_fig5_fig6_lines_are_told_apart_without_colour():
    """By lightness: the grey levels (0 to 255) that a picture is converted to are 50 apart."""
    hexes = [look["color"].lstrip("#") for look in learning.LOOKS.values()]
    levels = sorted(
        0.299 * int(h[:2], 16) + 0.587 * int(h[2:4], 16) + 0.114 * int(h[4:], 16) for h in hexes
    )
    assert min(np.diff(levels)) > 50


@pytest.mark.parametrize("figure", ["fig5", "fig6"])
def test_fig5_fig6_a_system_that_was_not_run_is_named_or_its_panel_left_out(drawn, figure):
    some = {system: ALL[system] for system in ("XSleepNet2", "Naive Fusion")}
    panels = drawn_by(figure, some, drawn)
    assert list(panels) == (["a", "c", "e"] if figure == "fig5" else ["a", "c"])
    assert said(panels["a"]) == "not run: FCNN+RNN, ARNN+RNN"
    assert all(axes.lines for axes in panels.values())


def test_fig5_fig6_every_key_is_of_a_line(drawn):
    alone = {"XSleepNet2": ALL["XSleepNet2"]}
    drawn_by("fig5", alone, drawn)
    unsmoothed = "weights of XSleepNet2,\nunsmoothed"
    assert keys(drawn[-1]) == [*(f"{branch} branch" for branch in learning.LOOKS), unsmoothed]
    drawn_by("fig6", {"ARNN+RNN": ALL["ARNN+RNN"]}, drawn)
    assert keys(drawn[-1]) == ["time-frequency branch;\nin (a) ARNN+RNN"]


def test_fig6_the_first_losses_of_a_long_training_may_be_above_but_none_later(drawn):
    long = history("XSleepNet2", 300)
    long.loc[0, "raw validation loss"] = 50
    long.loc[200, "joint validation loss"] = 9
    low, high = drawn_by("fig6", {"XSleepNet2": long}, drawn)["c"].get_ylim()
    assert 9 < high < 50
    assert low < min(long[f"{branch} validation loss"].min() for branch in learning.LOOKS)


@pytest.mark.parametrize("figure", FIGURES)
def test_fig1_fig5_fig6_bytes_are_the_same_every_time(tmp_path, figure):
    for stem in ("one", "two"):
        learning.draw(figure, ALL, tmp_path / stem, "fold 1")
    for suffix in FORMATS:
        one, two = (tmp_path / f"{stem}.{suffix}" for stem in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("figure", "histories", "names"),
    [
        ("fig1", {"ARNN+RNN": ALL["ARNN+RNN"]}, "Fig. 1: nothing to draw in ARNN.RNN; train"),
        ("fig5", {"ARNN+RNN": ALL["ARNN+RNN"]}, "Fig. 5: nothing to draw in ARNN.RNN; train"),
        ("fig6", {}, "Fig. 6: nothing to draw in nothing; train"),
        (
            "fig6",
            {"XSleepNet2": ALL["FCNN+RNN"]},
            "no column 'time-frequency validation loss' in the history of XSleepNet2; train",
        ),
    ],
)
def test_fig1_fig5_fig6_bad_histories_are_one_line(figure, histories, names):
    with pytest.raises(InputError, match=names) as error:
        learning.draw(figure, histories, "unused", "fold 1")
    assert "\n" not in str(error.value)
