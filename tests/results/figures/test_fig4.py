import numpy as np
import pandas as pd
import pytest

from xsleep.core.errors import InputError
from xsleep.results.figures import FORMATS, fig4
from xsleep.results.metrics import METRICS
from xsleep.results.published import CHANNELS, database_windows, published, systems


def made_up(places, channel_sets):
    """A table like Table 2, measured near 75 % and published as it is."""
    rng = np.random.default_rng(0)
    rows = []
    for database, window in places:
        for system in systems()[:5]:
            names = {"database": database, "window": window, "system": system}
            measured = {
                f"{channels} {metric}": (0.01 if metric == "kappa" else 1) * rng.normal(75, 2)
                for channels in channel_sets
                for metric in METRICS
            }
            known = {
                f"{channels} {metric}": value
                for channels in CHANNELS
                for metric, value in (published(database, window, system, channels) or {}).items()
            }
            rows += [
                names | {"source": "measured"} | measured,
                names | {"source": "published"} | known,
            ]
    every = dict.fromkeys([*CHANNELS, *channel_sets])
    cells = [f"{channels} {metric}" for channels in every for metric in METRICS]
    return pd.DataFrame(rows, columns=["database", "window", "system", "source", *cells])


def titled(figure):
    """Databases of the columns, from left to right."""
    return [axes.get_title().split("\n")[0] for axes in figure.axes if axes.get_title()]


def markers(axes):
    """Return the marks of each system, measured before published."""
    return [line for line in axes.lines if len(line.get_ydata()) == 1]


def test_fig4_has_a_row_per_channel_set_and_a_column_per_database_with_all_five_metrics(drawn):
    fig4.draw(made_up(database_windows(), CHANNELS), "unused")
    assert titled(drawn[0]) == ["SleepEDF-20", "SleepEDF-78", "MASS", "Physio2018", "SHHS"]
    assert len(drawn[0].axes) == 3 * 5 * len(METRICS)
    names = [axes.get_ylabel() for axes in drawn[0].axes if axes.get_ylabel()]
    assert names == 3 * ["kappa", "accuracy", "specificity", "sensitivity", "MF1"]
    rows = {text.get_text() for axes in drawn[0].axes for text in axes.texts} & {*CHANNELS}
    assert rows == {*CHANNELS}


def test_fig4_has_channel_sets_of_ones_own_beneath_those_of_the_paper(drawn):
    fig4.draw(made_up([("own", "whole-night")], ["EEG", "EEG-EEG2"]), "unused")
    assert len(drawn[0].axes) == 2 * len(METRICS)
    texts = [text.get_text() for axes in drawn[0].axes for text in axes.texts]
    assert [text for text in texts if text.startswith("EEG")] == ["EEG", "EEG-EEG2"]


def test_fig4_has_no_panel_where_nothing_is_measured(drawn):
    """As in the released figure, where Sleep-EDF has no EMG; the names go to the next column."""
    table = made_up(database_windows(), CHANNELS)
    sleep_edf = table["database"].str.startswith("SleepEDF") & (table["source"] == "measured")
    table.loc[sleep_edf, [column for column in table if column.startswith("EEG-EOG-EMG")]] = np.nan
    fig4.draw(table, "unused")
    assert len(drawn[0].axes) == (2 * 5 + 3) * len(METRICS)
    assert all(axes.lines for axes in drawn[0].axes)
    named = [axes for axes in drawn[0].axes if "EEG-EOG-EMG" in {t.get_text() for t in axes.texts}]
    assert [axes.get_subplotspec().colspan.start for axes in named] == [2]


def test_fig4_sleep_edf_is_shown_in_bed_and_another_window_only_by_itself(drawn):
    fig4.draw(made_up(database_windows()[:2], CHANNELS[:1]), "unused")
    fig4.draw(made_up([("SleepEDF-20", "in-bed+30min")], CHANNELS[:1]), "unused")
    for figure, window in zip(drawn, ("in-bed", "in-bed+30min"), strict=True):
        assert figure.axes[0].get_title() == f"SleepEDF-20\n{window}"
        assert len(figure.axes) == len(METRICS)


def test_fig4_measured_is_filled_and_published_hollow_on_the_line_of_its_system(drawn):
    table = made_up(database_windows()[1:2], CHANNELS[:1])
    fig4.draw(table, "unused")
    lines = markers(drawn[0].axes[1])
    assert [line.get_xdata()[0] for line in lines] == table["EEG accuracy"].tolist()
    for place, (measured, known) in enumerate(zip(lines[::2], lines[1::2], strict=True)):
        assert measured.get_markerfacecolor() == measured.get_color() != "white"
        assert known.get_markerfacecolor() == "white"
        assert measured.get_marker() == known.get_marker()
        assert measured.get_ydata()[0] == known.get_ydata()[0] == place


def test_fig4_the_best_value_is_at_the_tip_of_its_axis_measured_and_published(drawn):
    table = made_up(database_windows()[1:2], CHANNELS[:1])
    fig4.draw(table, "unused")
    best = table.groupby("source")["EEG kappa"].max()
    texts = {text.get_text() for text in drawn[0].axes[0].texts}
    assert {f"{best['measured']:.3f}", f"{best['published']:.3f}"} <= texts
    assert f"{best['published']:.3f}" == "0.771"  # as in the released figure


def test_fig4_channel_sets_of_a_database_share_the_axes_of_a_metric(drawn):
    fig4.draw(made_up(database_windows()[4:5], CHANNELS), "unused")
    for metric in range(len(METRICS)):
        assert len({axes.get_xlim() for axes in drawn[0].axes[metric :: len(METRICS)]}) == 1


def test_fig4_a_measured_marker_stands_in_its_interval(drawn):
    table = made_up(database_windows()[1:2], CHANNELS[:1])
    ends = [
        row | {"source": source, "EEG accuracy": row["EEG accuracy"] + beyond}
        for row in table[table["source"] == "measured"].to_dict("records")
        for source, beyond in (("95 % from", -2), ("95 % to", 3))
    ]
    fig4.draw(pd.concat([table, pd.DataFrame(ends)]), "unused")
    accuracy = drawn[0].axes[1]
    spans = [line for line in accuracy.lines if len(line.get_ydata()) == 2]
    measured = [line for line in markers(accuracy) if line.get_markerfacecolor() != "white"]
    assert len(spans) == len(measured) == 5
    for span, marker in zip(spans, measured, strict=True):
        assert set(span.get_ydata()) == set(marker.get_ydata())
        assert span.get_xdata() == pytest.approx(marker.get_xdata()[0] + np.array([-2, 3]))
        assert span.get_color() == marker.get_color()


def test_fig4_bytes_are_the_same_every_time(tmp_path):
    table = made_up(database_windows()[1:2], CHANNELS[:1])
    for stem in ("one", "two"):
        fig4.draw(table, tmp_path / stem)
    for suffix in FORMATS:
        assert (tmp_path / f"one.{suffix}").read_bytes() == (
            tmp_path / f"two.{suffix}"
        ).read_bytes()
    assert b"<dc:date>" not in (tmp_path / "one.svg").read_bytes()
    document = (tmp_path / "one.pdf").read_bytes()
    assert b"/CreationDate" not in document
    assert b"/FontFile2" in document and b"/Type3" not in document  # TrueType, not drawn


def test_fig4_says_what_is_simulated(drawn):
    table = made_up(database_windows()[1:3], CHANNELS[:1])
    for simulated in ([], ["SleepEDF-78"], ["SleepEDF-20", "SleepEDF-78"]):
        fig4.draw(table, "unused", simulated)
    assert [figure.get_suptitle() for figure in drawn] == [
        "Performance of every system",
        "Performance of every system (database SleepEDF-78: simulated nights: not sleep)",
        "Performance of every system (simulated nights: not sleep)",
    ]


def test_fig4_every_key_has_a_mark_and_no_panel_is_empty(drawn):
    """A system in another window, one without a value, and a metric that is undefined."""
    table = made_up(database_windows()[:2], CHANNELS[:1]).query(
        "source == 'measured' and (window == 'in-bed') == (system != 'XSleepNet1')"
    )
    table.loc[table["system"] == "ARNN+RNN", [c for c in table if c.startswith("EEG ")]] = np.nan
    table["EEG kappa"] = np.nan
    fig4.draw(table, "unused")
    (legend,) = drawn[0].legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == ["XSleepNet2", "Naive Fusion", "FCNN+RNN"]
    assert len(drawn[0].axes) == 4 and all(len(markers(axes)) == 3 for axes in drawn[0].axes)


def test_fig4_without_a_measurement_says_what_to_do():
    table = made_up(database_windows()[:1], CHANNELS[:1]).query("source == 'published'")
    with pytest.raises(InputError, match="nothing is measured; train"):
        fig4.draw(table, "unused")
