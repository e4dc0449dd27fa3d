"""Fig. 4: the performance of every system at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xsleep.errors import InputError
from xsleep.figures.style import FONT, LABELS, marker, save, tidy
from xsleep.tables import FROM, MEASURED, PUBLISHED, TO, shown_together

WIDTH, ROW_HEIGHT, LEGEND_HEIGHT = 9.0, 1.7, 0.6
"""Inches: of the figure, of one database, of the legend above them."""


def draw(table: pd.DataFrame, stem: str | Path) -> None:
    """Write Fig. 4 of the XSleepNet paper as ``stem``.svg and ``stem``.png.

    A row of panels per database and window, a panel per metric, a group of markers per measured
    channel set: filled where measured, with its 95 % interval, and right beside it hollow where
    published.

    Args:
        table: as ``xsleep.tables.table2`` makes it.

    Raises:
        InputError: nothing was measured.
    """
    table = shown_together(table, (MEASURED, FROM, TO, PUBLISHED))
    measured = table[table["source"] == MEASURED]
    if measured.empty:
        raise InputError("Fig. 4: nothing is measured; train and score at least one system")
    systems = list(dict.fromkeys(measured["system"]))
    blocks = list(table.groupby(["database", "window"], sort=False))
    with matplotlib.rc_context(FONT):
        height = ROW_HEIGHT * len(blocks) + LEGEND_HEIGHT
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        panels = figure.subplots(len(blocks), len(LABELS), squeeze=False)
        for row, ((database, window), block) in zip(panels, blocks, strict=True):
            row[0].set_title(f"{database}, {window}", loc="left", fontweight="bold")
            for panel, metric in zip(row, LABELS, strict=True):
                _panel(panel, block, metric, systems)
        figure.legend(
            handles=[*_systems_key(systems), *_sources_key(set(table["source"]))],
            loc="outside upper center",
            ncols=8,
            frameon=False,
        )
        save(figure, stem)


def _panel(panel: Axes, block: pd.DataFrame, metric: str, systems: Sequence[str]) -> None:
    channel_sets = [
        column.removesuffix(" accuracy")
        for column in block.columns[block[block["source"] == MEASURED].notna().any()]
        if column.endswith(" accuracy")
    ]
    sides = (
        {MEASURED: -0.23, PUBLISHED: 0.23} if PUBLISHED in set(block["source"]) else {MEASURED: 0}
    )
    # A group is one unit wide: a slot per system and one free, so that groups stand apart.
    slot = 1 / (len(systems) + 1)
    for group, channels in enumerate(channel_sets):
        found = block.dropna(subset=f"{channels} {metric}")
        for system, rows in found.groupby("system", sort=False):
            place = systems.index(system)
            centre = group + (place - (len(systems) - 1) / 2) * slot
            values = dict(zip(rows["source"], rows[f"{channels} {metric}"], strict=True))
            if FROM in values:
                where = [centre + sides[MEASURED] * slot] * 2
                look = {"color": marker(place)["color"], "linewidth": 1}
                panel.plot(where, [values[FROM], values[TO]], **look)
            for source, side in sides.items():
                if source in values:
                    panel.plot(centre + side * slot, values[source], **_marker(place, source))
    panel.set_xticks(range(len(channel_sets)), channel_sets)
    panel.set_xlim(-0.5, len(channel_sets) - 0.5)
    panel.set_ylabel(LABELS[metric])
    panel.margins(y=0.12)
    tidy(panel, "y")
    for boundary in range(1, len(channel_sets)):
        panel.axvline(boundary - 0.5, color="0.8", linewidth=0.6)


def _marker(place: int, source: str) -> dict:
    look = marker(place) | {"linestyle": "", "markersize": 4.5}
    return look | {"markerfacecolor": look["color"] if source == MEASURED else "white"}


def _systems_key(systems: Sequence[str]) -> list[Line2D]:
    return [
        Line2D([], [], label=system, **_marker(place, MEASURED))
        for place, system in enumerate(systems)
    ]


def _sources_key(sources: set[str]) -> list[Line2D]:
    look = {"linestyle": "", "marker": "h", "color": "0.45", "markersize": 5}
    found = [Line2D([], [], label=MEASURED, **look)]
    if PUBLISHED in sources:
        found.append(Line2D([], [], label=PUBLISHED, markerfacecolor="white", **look))
    if FROM in sources:
        found.append(Line2D([], [], label="95 % interval", color="0.45", linewidth=1))
    return found
