"""Fig. 4 of the XSleepNet paper: the metrics of every system and channel set."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from xsleep.config.names import MEASURED
from xsleep.core.errors import InputError
from xsleep.results.figures.style import (
    PAGE,
    SMALL,
    Style,
    heading,
    key_below,
    marker,
    new_figure,
    sources_key,
    tidy,
)
from xsleep.results.formatting import entitled, number
from xsleep.results.table2 import (
    FROM,
    PUBLISHED,
    TO,
    as_measured,
    channel_sets,
    columns,
    shown_together,
)

METRICS = ("kappa", "accuracy", "specificity", "sensitivity", "MF1")
"""Metrics in the order of the released figure, clockwise from the top."""

WINDOW = "in-bed"
"""Window shown of a database that was measured in several, as in the paper."""

COLUMN, AXIS, SYSTEM, NAME = 1.2, 0.25, 0.055, 0.2
"""Sizes in inches: least width of a database; height of a metric, the height that each system adds
to it, and the height of the name of a channel set."""

BESIDE: Style = {"textcoords": "offset points", "xycoords": "axes fraction"}
"""Coordinates of text at the ends of an axis: points from a share of it."""


def draw(table: pd.DataFrame, stem: str | Path, simulated: Collection[str] = ()) -> None:
    """Write Fig. 4 of the XSleepNet paper.

    Rows are channel sets and columns databases, as in the released figure. Each of its radar plots
    is replaced by five short axes, because comparing measured with published values takes a common
    scale and intervals take room. On an axis each system has its own line: a filled marker with
    its 95 % interval where measured, and a hollow marker where published. The best value of each
    source is printed at the right end of the axis. All channel sets share the axis of a metric and
    database.

    Args:
        table: Table 2, as made by `table2`. Of a database with several windows, ``WINDOW`` is
            shown, or else the first.

    Raises:
        InputError: Nothing was measured.
    """
    table = as_measured(shown_together(table, (FROM, TO, PUBLISHED)))
    if table.empty:
        raise InputError("Fig. 4: nothing is measured; train and score at least one system")
    blocks = []
    for _, block in table.groupby("database", sort=False):
        windows = list(block["window"])
        blocks.append(block[block["window"] == (WINDOW if WINDOW in windows else windows[0])])
    shown = [c for c in channel_sets(table) if any(_measured(block, c) for block in blocks)]
    drawn = pd.concat(blocks).dropna(subset=columns(*shown), how="all")
    databases, systems, sources = (
        list(dict.fromkeys(drawn[name])) for name in ("database", "system", "source")
    )
    of_set = [NAME, *[AXIS + SYSTEM * len(systems)] * len(METRICS)]
    heights = [NAME / 20, *(of_set * len(shown))[1:]]  # the first name stands beside the title
    ticks = 3 if len(blocks) < 4 else 2
    width = max(PAGE if len(blocks) > 1 else 0.75 * PAGE, 1.1 + COLUMN * len(blocks))
    with new_figure(stem, width=width, height=1.3 + sum(heights)) as figure:
        heading(figure, entitled("Performance of every system", databases, simulated))
        grid = figure.add_gridspec(len(heights), len(blocks), height_ratios=heights)
        for column, block in enumerate(blocks):
            above: dict[str, Axes] = {}
            for row, channels in enumerate(shown):
                if not _measured(block, channels):
                    continue
                first = not any(_measured(before, channels) for before in blocks[:column])
                for place, metric in enumerate(METRICS, row * len(of_set) + 1):
                    if block[f"{channels} {metric}"].isna().all():
                        continue  # undefined, as kappa of a single stage
                    panel = figure.add_subplot(grid[place, column], sharex=above.get(metric))
                    if not above:
                        names = block[["database", "window"]].iloc[0]
                        panel.set_title("\n".join(names), fontweight="bold")
                    above.setdefault(metric, panel)
                    _panel(panel, block, f"{channels} {metric}", systems)
                    panel.xaxis.set_major_locator(MaxNLocator(ticks, min_n_ticks=2))
                    if first:
                        panel.set_ylabel(metric, rotation=0, ha="right", va="center")
                    if first and place == row * len(of_set) + 1:
                        bold: Style = {"ha": "right", "va": "bottom", "fontweight": "bold"}
                        panel.annotate(channels, (0, 1), (-3, 4), **BESIDE, **bold)
        key = [Line2D([], [], label=name, **_marker(n, MEASURED)) for n, name in enumerate(systems)]
        key += sources_key(sources)
        if FROM in sources:
            key.append(Line2D([], [], label="95 % interval", color="0.45", linewidth=1))
        key_below(figure, key)


def _measured(block: pd.DataFrame, channels: str) -> bool:
    return bool(block.loc[block["source"] == MEASURED, f"{channels} accuracy"].notna().any())


def _panel(panel: Axes, block: pd.DataFrame, column: str, systems: Sequence[str]) -> None:
    values = block.pivot_table(index="system", columns="source", values=column)
    for place, system in enumerate(systems):
        if system not in values.index:
            continue
        row = values.loc[system].dropna()
        if FROM in row:
            colour = marker(place)["color"]
            panel.plot([row[FROM], row[TO]], [place, place], color=colour, linewidth=1)
        for source in (MEASURED, PUBLISHED):
            if source in row:
                panel.plot(row[source], place, **_marker(place, source))
    best = values.max()
    looks: dict[str, Style] = {MEASURED: {"fontweight": "bold"}, PUBLISHED: {"color": "0.4"}}
    for source, look in looks.items():
        if source in best:
            height = 0.5 if PUBLISHED not in best else 0.78 if source == MEASURED else 0.22
            text = number(best[source], column)
            panel.annotate(text, (1, height), (3, 0), va="center", fontsize=SMALL, **BESIDE, **look)
    panel.set_ylim(len(systems) - 0.3, -0.7)
    panel.set_yticks([])
    panel.tick_params(axis="x", length=2, pad=1)
    panel.margins(x=0.05)
    tidy(panel, "x")


def _marker(place: int, source: str) -> Style:
    look: Style = {"linestyle": "", "markersize": 4, "markeredgewidth": 0.9, "clip_on": False}
    return marker(place, source) | look
