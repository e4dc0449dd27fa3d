"""Figures of finetuning: metrics by strategy and over the number of training subjects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from xsleep.config.names import MEASURED
from xsleep.results.figures.style import (
    COLOURS,
    LABELS,
    PAGE,
    SHAPES,
    Style,
    heading,
    key_below,
    marker,
    new_figure,
    sources_key,
    tidy,
)
from xsleep.results.formatting import entitled
from xsleep.results.table2 import PUBLISHED
from xsleep.results.transfer_tables import CASE, SCRATCH

NAMES = {
    "scratch": "from scratch",
    "direct": "not finetuned",
    "softmax": "softmax",
    "softmax+SPB": "softmax + SPB",
    "softmax+EPB": "softmax + EPB",
    "all": "all layers",
}
LEVEL: Style = {"color": "0.6", "linewidth": 0.8, "linestyle": "--"}
"""Style of the level of training from scratch."""

Panel = Callable[[Axes, pd.DataFrame, str], None]
"""Function that draws one metric of the rows of one case."""


def strategies(table: pd.DataFrame, stem: str | Path, simulated: Collection[str] = ()) -> None:
    """Write the metrics of each strategy, with 95 % intervals.

    One row of panels per target, network and channel set. The dashed line is training from scratch,
    and hollow markers are published values. The table has one row per case and strategy, as made by
    `xsleep.results.transfer_tables`.
    """

    def panel(axes: Axes, block: pd.DataFrame, metric: str) -> None:
        for place, (_, row) in enumerate(block.iterrows()):
            value = row[metric]
            reach = [[value - row[f"95 % from {metric}"]], [row[f"95 % to {metric}"] - value]]
            look: Style = {"markersize": 5, "capsize": 2, "linewidth": 1, "linestyle": "none"}
            axes.errorbar(place, value, reach, **marker(place), **look)
            if pd.notna(published := row.get(f"published {metric}")):
                axes.plot(place + 0.2, published, linestyle="none", **marker(place, PUBLISHED))
        for value in block.loc[block["strategy"] == SCRATCH, metric]:
            axes.axhline(value, zorder=0, **LEVEL)
        names = [NAMES[name] for name in block["strategy"]]
        axes.set_xticks(range(len(block)), names, rotation=30, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.5, len(block) - 0.5)

    title = "Finetuning by strategy, with 95 % intervals"
    published = table.filter(regex="^published [^f]").notna().any(axis=None)
    key = sources_key((MEASURED, PUBLISHED) if published else ())
    if SCRATCH in {*table["strategy"]}:
        key.append(Line2D([], [], label=NAMES[SCRATCH], **LEVEL))
    _draw(table, panel, stem, entitled(title, list(table["target"].unique()), simulated), key)


def learning_curves(table: pd.DataFrame, stem: str | Path, simulated: Collection[str] = ()) -> None:
    """Write metrics over the number of training subjects.

    Each strategy is a line with its 95 % interval; one without training is a horizontal line. The
    table has one row per case, strategy and number of training subjects, as made by
    `xsleep.results.transfer_tables`.
    """

    def panel(axes: Axes, block: pd.DataFrame, metric: str) -> None:
        block = block.sort_values("training subjects")
        for place, (strategy, line) in enumerate(block.groupby("strategy", sort=False)):
            colour = COLOURS[list(NAMES).index(str(strategy))]
            look: Style = {"color": colour, "label": NAMES[str(strategy)]}
            if strategy == "direct":
                axes.axhline(line[metric].iloc[0], linestyle=":", **look)
                continue
            subjects = line["training subjects"]
            low, high = line[f"95 % from {metric}"], line[f"95 % to {metric}"]
            axes.plot(subjects, line[metric], SHAPES[place] + "-", **look)
            axes.fill_between(subjects, low, high, color=colour, alpha=0.15, linewidth=0)
        ticks = np.unique(block["training subjects"])
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("training subjects")

    title = "Finetuning by number of training subjects, with 95 % intervals"
    _draw(table, panel, stem, entitled(title, list(table["target"].unique()), simulated))


def _draw(
    table: pd.DataFrame, panel: Panel, stem: str | Path, title: str, key: Sequence[Artist] = ()
) -> None:
    blocks = list(table.groupby(CASE, sort=False))
    with new_figure(stem, width=PAGE, height=2.4 * len(blocks) + 0.6) as figure:
        heading(figure, title)
        named: dict[str, Artist] = {}
        rows = figure.subplots(len(blocks), len(LABELS), sharey="col", squeeze=False)
        for row, (case, block) in zip(rows, blocks, strict=True):
            target, window, network, source_channels, channels = case
            source = f"{block['source'].iloc[0]} {source_channels}"
            name = f"{network}: {source} to {target} {channels}, {window}"
            row[0].set_title(name, loc="left", fontweight="bold")
            for axes, (metric, label) in zip(row, LABELS.items(), strict=True):
                panel(axes, block, metric)
                axes.set_ylabel(label)
                tidy(axes, "y")
                named |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        key_below(figure, [*named.values(), *key])
