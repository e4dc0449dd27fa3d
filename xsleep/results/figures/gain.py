"""Figure, not of the paper, of the gain of both views over the better one, by database size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xsleep import systems
from xsleep.core.errors import InputError
from xsleep.results.figures.style import FONT, Style, marker, save, tidy
from xsleep.results.published import CHANNELS, single_views
from xsleep.results.table2 import MEASURED, PUBLISHED, shown_together

LABELS = {"accuracy": "accuracy (points)", "MF1": "MF1 (points)", "kappa": "Cohen's kappa"}
ROWS = ["database", "window", "source"]


def multi_views() -> list[str]:
    """Return the systems whose gain is shown."""
    return [name for name, system in systems.registry().items() if "gain" in system.figures]


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Compute the gain of each of `multi_views` over the better of `single_views`.

    Args:
        table: Table 2, as made by `xsleep.results.table2.table2`.

    Returns:
        The ``gain``, in the unit of the metric, one row per database, window, source
        (``measured``, ``published``), channel set, metric and system, where both single views have
        the metric; ``subjects`` is the number of subjects measured.
    """
    table = shown_together(table)
    found = []
    for (database, window, source), block in table.groupby(ROWS, sort=False):
        measured = table[(table["database"] == database) & (table["source"] == MEASURED)]
        for column in (f"{c} {m}" for c in CHANNELS for m in LABELS if f"{c} {m}" in block):
            values = block.dropna(subset=column).set_index("system")[column]
            if not {*single_views()} <= {*values.index}:
                continue
            channels, metric = column.rsplit(" ", 1)
            names = dict(database=database, window=window, source=source, channels=channels)
            names |= {"metric": metric, "subjects": measured["subjects"].max()}
            better = values[[*single_views()]].max()
            found += [
                names | {"system": system, "gain": values[system] - better}
                for system in multi_views()
                if system in values
            ]
    return pd.DataFrame(found, columns=[*ROWS, "channels", "metric", "subjects", "system", "gain"])


def draw(table: pd.DataFrame, stem: str | Path) -> None:
    """Write the gains, by increasing size of the database, as ``stem``.svg and ``stem``.png.

    One row of panels per measured channel set and one column per metric. Measured gains have filled
    markers, published ones hollow markers beside them.

    Args:
        table: Table 2, as made by `xsleep.results.table2.table2`.
        stem: path of the files, without suffix.

    Raises:
        InputError: no gain was measured.
    """
    gained = gains(table)
    measured = gained[gained["source"] == MEASURED]
    if measured.empty:
        raise InputError(
            "gain: no gain is measured; train ARNN+RNN, FCNN+RNN and a system of both views"
        )
    gained = gained.merge(measured[["database", "window", "channels"]].drop_duplicates())
    gained = gained.sort_values("subjects", kind="stable")
    channel_sets = [channels for channels in CHANNELS if channels in {*measured["channels"]}]
    places = list(dict.fromkeys(zip(gained["database"], gained["window"], strict=True)))
    shown = [system for system in multi_views() if system in {*gained["system"]}]
    width = 6.5 + 0.9 * len(places)
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(width, 0.8 + 2.3 * len(channel_sets)), layout="constrained")
        figure.suptitle("gain of both views over the better single view", fontsize=9)
        rows = figure.subplots(
            len(channel_sets), len(LABELS), sharex=True, sharey="col", squeeze=False
        )
        for row, channels in zip(rows, channel_sets, strict=True):
            row[0].set_title(channels, loc="left", fontweight="bold")
            for panel, metric in zip(row, LABELS, strict=True):
                chosen = gained[(gained["channels"] == channels) & (gained["metric"] == metric)]
                _panel(panel, chosen, places, shown)
                panel.set_ylabel(f"gain in {LABELS[metric]}")
        figure.legend(handles=_key(gained), loc="outside lower center", ncols=5, frameon=False)
        save(figure, stem)


def _panel(
    panel: Axes, gained: pd.DataFrame, places: Sequence[tuple[str, str]], shown: Sequence[str]
) -> None:
    both = PUBLISHED in {*gained["source"]}
    for row in gained.to_dict("records"):
        system = shown.index(row["system"])
        centre = places.index((row["database"], row["window"]))
        x = centre + (system - (len(shown) - 1) / 2) * 0.2
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
    look = marker(multi_views().index(system)) | {"linestyle": "", "markersize": 5}
    return look | {"markerfacecolor": look["color"] if source == MEASURED else "white"}


def _key(gained: pd.DataFrame) -> list[Line2D]:
    handles = [
        Line2D([], [], label=system, **_look(system, MEASURED))
        for system in multi_views()
        if system in {*gained["system"]}
    ]
    look: Style = {"linestyle": "", "marker": "h", "color": "0.45", "markersize": 5}
    faces = {MEASURED: "0.45", PUBLISHED: "white"}
    return handles + [
        Line2D([], [], label=source, markerfacecolor=face, **look)
        for source, face in faces.items()
        if source in {*gained["source"]}
    ]
