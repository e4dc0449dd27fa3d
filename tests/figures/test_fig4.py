import numpy as np
import pandas as pd
import pytest

from xsleep.errors import InputError
from xsleep.figures import fig4
from xsleep.metrics import METRICS
from xsleep.published import CHANNELS, database_windows, published, systems


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
    return pd.DataFrame(rows)


@pytest.fixture
def figures(monkeypatch):
    """The figures that were drawn, instead of files."""
    drawn = []
    monkeypatch.setattr(fig4, "save", lambda figure, stem: drawn.append(figure))
    return drawn


@pytest.mark.parametrize(
    ("places", "channel_sets"),
    [(database_windows()[1:2], CHANNELS[:1]), (database_windows()[:6], CHANNELS)],
)
def test_fig4_has_three_metrics_per_database_and_window_and_a_group_per_measured_channel_set(
    figures, places, channel_sets
):
    fig4.draw(made_up(places, channel_sets), "unused")
    panels = figures[0].axes
    assert len(panels) == 3 * len(places)
    for panel in panels:
        assert [label.get_text() for label in panel.get_xticklabels()] == list(channel_sets)


def test_fig4_measured_is_filled_and_published_hollow_right_beside(figures):
    table = made_up(database_windows()[1:2], CHANNELS[:1])
    fig4.draw(table, "unused")
    accuracy = figures[0].axes[0]
    markers = [line for line in accuracy.lines if line.get_marker() in ("o", "s", "^", "D", "v")]
    assert [line.get_ydata()[0] for line in markers] == table["EEG accuracy"].tolist()
    for measured, known in zip(markers[::2], markers[1::2], strict=True):
        assert measured.get_markerfacecolor() == measured.get_color() != "white"
        assert known.get_markerfacecolor() == "white"
        assert measured.get_marker() == known.get_marker()
        assert 0 < known.get_xdata()[0] - measured.get_xdata()[0] < 0.1


def test_fig4_a_measured_marker_stands_in_its_interval(figures):
    table = made_up(database_windows()[1:2], CHANNELS[:1])
    ends = [
        row | {"source": source, "EEG accuracy": row["EEG accuracy"] + beyond}
        for row in table[table["source"] == "measured"].to_dict("records")
        for source, beyond in (("95 % from", -2), ("95 % to", 3))
    ]
    fig4.draw(pd.concat([table, pd.DataFrame(ends)]), "unused")
    lines = figures[0].axes[0].lines
    spans = [line for line in lines if len(line.get_ydata()) == 2]
    markers = [line for line in lines if line.get_markerfacecolor() != "white"]
    markers = [line for line in markers if line not in spans]
    assert len(spans) == len(markers) == 5
    for span, marker in zip(spans, markers, strict=True):
        assert set(span.get_xdata()) == set(marker.get_xdata())
        assert span.get_ydata() == pytest.approx(marker.get_ydata()[0] + np.array([-2, 3]))
        assert span.get_color() == marker.get_color()


def test_fig4_bytes_are_the_same_every_time(tmp_path):
    table = made_up(database_windows()[1:2], CHANNELS[:1])
    for stem in ("one", "two"):
        fig4.draw(table, tmp_path / stem)
    for suffix in ("svg", "png"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (
            tmp_path / f"two.{suffix}"
        ).read_bytes()
    assert b"<dc:date>" not in (tmp_path / "one.svg").read_bytes()


def test_fig4_without_a_measurement_says_what_to_do():
    table = made_up(database_windows()[:1], CHANNELS[:1]).query("source == 'published'")
    with pytest.raises(InputError, match="nothing is measured; train"):
        fig4.draw(table, "unused")
