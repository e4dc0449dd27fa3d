"""Fig. 4: the performance of every system at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from xsleep.core.errors import InputError
from xsleep.results.figures.style import FONT, marker, save, tidy
from xsleep.results.published import CHANNELS
from xsleep.results.table2 import FROM, MEASURED, PUBLISHED, TO, number, shown_together

METRICS = ("kappa", "accuracy", "specificity", "sensitivity", "MF1")
"""In the released figure's order, clockwise from above."""

WINDOW = "in-bed"
"""Of a database that was measured in several windows, the one that is shown, as in the paper."""

COLUMN, AXIS, SYSTEM, NAME = 2.1, 0.25, 0.055, 0.2
"""Inches: width of a database; height of a metric and what each system adds to it, and of the name
of a channel set."""


def draw(table: pd.DataFrame, stem: str | Path) -> None:
    """Write Fig. 4 of the XSleepNet paper as ``stem``.svg and ``stem``.png.

    Channel sets are rows and databases columns, as in the released figure, whose radars are five
    short axes here: side by side, measured and published need one scale, and intervals room. On an
    axis each system has a line of its own: a filled marker where measured, with its 95 % interval,
    and a hollow one where published. The best value of each is printed at the axis' tip. Axes of
    one metric and database are the same for all channel sets.

    Args:
        table: as `table2` makes it. Of a database with several windows the part
            in bed is shown, or else the first.

    Raises:
        InputError: nothing was measured.
    """
    table = shown_together(table, (MEASURED, FROM, TO, PUBLISHED))
    if table.empty:
        raise InputError("Fig. 4: nothing is measured; train and score at least one system")
    systems = list(dict.fromkeys(table["system"]))
    blocks = [_shown_window(block) for _, block in table.groupby("database", sort=False)]
    channel_sets = [c for c in CHANNELS if any(_measured(block, c) for block in blocks)]
    heights = [NAME, *[AXIS + SYSTEM * len(systems)] * len(METRICS)]
    size = (max(5.5, 1.2 + COLUMN * len(blocks)), 1.0 + sum(heights) * len(channel_sets))
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.add_gridspec(
            len(heights) * len(channel_sets),
            len(blocks),
            height_ratios=heights * len(channel_sets),
        )
        named: set[str] = set()
        for column, block in enumerate(blocks):
            above: list[Axes] = []
            for row, channels in enumerate(channel_sets):
                if not _measured(block, channels):
                    continue
                cells = grid[row * len(heights) + 1 : (row + 1) * len(heights), column]
                panels = [
                    figure.add_subplot(grid[cell, column], sharex=above[place] if above else None)
                    for place, cell in enumerate(cells.rowspan)
                ]
                if not above:
                    names = block[["database", "window"]].iloc[0]
                    panels[0].set_title("\n".join(names), fontweight="bold")
                above = above or panels
                for panel, metric in zip(panels, METRICS, strict=True):
                    _panel(panel, block, f"{channels} {metric}", systems)
                if channels not in named:  # the first database of its row
                    named.add(channels)
                    _name(panels, channels)
        figure.legend(
            handles=[*_systems_key(systems), *_sources_key(set(table["source"]))],
            loc="outside lower center",
            ncols=int(size[0] / 1.2),
            frameon=False,
        )
        save(figure, stem)


def _shown_window(block: pd.DataFrame) -> pd.DataFrame:
    """The rows of one window of a database."""
    windows = list(block["window"])
    return block[block["window"] == (WINDOW if WINDOW in windows else windows[0])]


def _measured(block: pd.DataFrame, channels: str) -> bool:
    return block.loc[block["source"] == MEASURED, f"{channels} accuracy"].notna().any()


def _name(panels: Sequence[Axes], channels: str) -> None:
    """Names a row of databases: its channel set, and its metrics."""
    panels[0].annotate(
        channels,
        **{"xy": (0, 1), "xycoords": "axes fraction", "ha": "right", "va": "bottom"},
        **{"xytext": (-3, 4), "textcoords": "offset points", "fontweight": "bold"},
    )
    for panel, metric in zip(panels, METRICS, strict=True):
        panel.set_ylabel(metric, rotation=0, ha="right", va="center")


def _panel(panel: Axes, block: pd.DataFrame, column: str, systems: Sequence[str]) -> None:
    values = block.pivot_table(index="system", columns="source", values=column)
    for place, system in enumerate(systems):
        if system not in values.index:
            continue
        row = values.loc[system].dropna()
        if FROM in row:
            look = {"color": marker(place)["color"], "linewidth": 1}
            panel.plot([row[FROM], row[TO]], [place, place], **look)
        for source in (MEASURED, PUBLISHED):
            if source in row:
                panel.plot(row[source], place, **_marker(place, source))
    best = values.max()
    for source, look in ((MEASURED, {"fontweight": "bold"}), (PUBLISHED, {"color": "0.4"})):
        if source in best:
            height = 0.5 if PUBLISHED not in best else 0.78 if source == MEASURED else 0.22
            panel.annotate(
                number(best[source], column),
                **{"xy": (1, height), "xycoords": "axes fraction", "va": "center"},
                **{"xytext": (3, 0), "textcoords": "offset points", "fontsize": 6} | look,
            )
    panel.set_ylim(len(systems) - 0.3, -0.7)
    panel.set_yticks([])
    panel.xaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
    panel.tick_params(axis="x", labelsize=6, length=2, pad=1)
    panel.margins(x=0.05)
    tidy(panel, "x")


def _marker(place: int, source: str) -> dict:
    look = marker(place) | {"linestyle": "", "markersize": 4, "markeredgewidth": 0.9}
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
