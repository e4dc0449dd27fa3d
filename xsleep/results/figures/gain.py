"""Figure, not of the paper, of the gain of both views over the better one, by database size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from xsleep import systems
from xsleep.config.names import MEASURED
from xsleep.core.errors import InputError
from xsleep.results.figures.style import Style, marker, new_figure, sources_key, tidy
from xsleep.results.published import single_views
from xsleep.results.table2 import PUBLISHED, as_measured, channel_sets, shown_together

LABELS = {"accuracy": "accuracy (points)", "MF1": "MF1 (points)", "kappa": "Cohen's kappa"}
ROWS = ["database", "window", "source"]


def multi_views() -> list[str]:
    """Return the systems whose gain is shown."""
    return [name for name, system in systems.registry().items() if "gain" in system.figures]


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Return from Table 2 the gain of each of `multi_views` over the better of `single_views`.

    The ``gain`` is in the unit of the metric, one row per database, window, source (``measured``,
    ``published``), channel set, metric and system, where both single views have the metric;
    ``subjects`` is the number of subjects measured.
    """
    table = as_measured(shown_together(table))
    found = []
    for (database, window, source), block in table.groupby(ROWS, sort=False):
        measured = table[(table["database"] == database) & (table["source"] == MEASURED)]
        names = database, window, source, measured["subjects"].max()
        for channels, metric in product(channel_sets(table), LABELS):
            values = block.set_index("system").get(f"{channels} {metric}", pd.Series()).dropna()
            if {*single_views()} <= {*values.index}:
                gained = values - values[[*single_views()]].max()
                found += [
                    (*names, channels, metric, system, gained[system])
                    for system in multi_views()
                    if system in gained
                ]
    return pd.DataFrame(found, columns=[*ROWS, "subjects", "channels", "metric", "system", "gain"])


def draw(table: pd.DataFrame, stem: str | Path) -> None:
    """Write the gains in Table 2, by increasing size of the database, as ``stem``.svg and .png.

    One row of panels per measured channel set and one column per metric. Measured gains have filled
    markers, published ones hollow markers beside them.

    Raises:
        InputError: No gain was measured.
    """
    gained = gains(table)
    measured = gained[gained["source"] == MEASURED]
    if measured.empty:
        raise InputError(
            "gain: no gain is measured; train ARNN+RNN, FCNN+RNN and a system of both views"
        )
    gained = gained.merge(measured[["database", "window", "channels"]].drop_duplicates())
    gained = gained.sort_values("subjects", kind="stable")
    sets = [channels for channels in channel_sets(table) if channels in {*measured["channels"]}]
    places = list(dict.fromkeys(zip(gained["database"], gained["window"], strict=True)))
    shown = [system for system in multi_views() if system in {*gained["system"]}]
    width, height = 6.5 + 0.9 * len(places), 0.8 + 2.3 * len(sets)
    with new_figure(stem, width=width, height=height) as figure:
        figure.suptitle("gain of both views over the better single view", fontsize=9)
        rows = figure.subplots(len(sets), len(LABELS), sharex=True, sharey="col", squeeze=False)
        for row, channels in zip(rows, sets, strict=True):
            row[0].set_title(channels, loc="left", fontweight="bold")
            for panel, metric in zip(row, LABELS, strict=True):
                chosen = gained[(gained["channels"] == channels) & (gained["metric"] == metric)]
                _panel(panel, chosen, places, shown)
                panel.set_ylabel(f"gain in {LABELS[metric]}")
        key = [Line2D([], [], label=name, **_look(name, MEASURED)) for name in shown]
        key += sources_key({*gained["source"]})
        figure.legend(handles=key, loc="outside lower center", ncols=5, frameon=False)


def _panel(
    panel: Axes, gained: pd.DataFrame, places: Sequence[tuple[str, str]], shown: Sequence[str]
) -> None:
    both = PUBLISHED in {*gained["source"]}
    for row in gained.to_dict("records"):
        system = shown.index(row["system"])
        centre = places.index((row["database"], row["window"]))
        x = centre + (system - (len(shown) - 1) / 2) * min(0.2, 0.8 / len(shown))
        if both:
            x += 0.05 if row["source"] == PUBLISHED else -0.05
        panel.plot(x, row["gain"], **_look(row["system"], row["source"]))
    panel.axhline(0, color="0.3", linewidth=0.8, zorder=0)
    tilted: Style = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    names = [f"{database}\n{window}" for database, window in places]
    panel.set_xticks(range(len(places)), names, **tilted if len(places) > 2 else {})
    panel.set_xlim(-0.5, len(places) - 0.5)
    panel.margins(y=0.15)
    tidy(panel, "y")


def _look(system: str, source: str) -> Style:
    return marker(multi_views().index(system), source) | {"linestyle": "", "markersize": 5}
