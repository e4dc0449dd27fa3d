"""Figures of finetuning: metrics by strategy and over the number of training subjects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from xsleep.results.figures.style import COLOURS, LABELS, SHAPES, Style, marker, new_figure, tidy
from xsleep.results.table2 import PUBLISHED
from xsleep.results.transfer_tables import CASE

NAMES = {
    "scratch": "from scratch",
    "direct": "not finetuned",
    "softmax": "softmax",
    "softmax+SPB": "softmax + SPB",
    "softmax+EPB": "softmax + EPB",
    "all": "all layers",
}
Panel = Callable[[Axes, pd.DataFrame, str], None]
"""Function that draws one metric of the rows of one case."""


def strategies(table: pd.DataFrame, stem: str | Path) -> None:
    """Write the metrics of each strategy, with 95 % intervals, as ``stem``.svg and ``stem``.png.

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
        for value in block.loc[block["strategy"] == "scratch", metric]:
            axes.axhline(value, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
        names = [NAMES[name] for name in block["strategy"]]
        axes.set_xticks(range(len(block)), names, rotation=30, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.5, len(block) - 0.5)

    _draw(table, panel, stem)


def learning_curves(table: pd.DataFrame, stem: str | Path) -> None:
    """Write metrics over the number of training subjects as ``stem``.svg and ``stem``.png.

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

    _draw(table, panel, stem)


def _draw(table: pd.DataFrame, panel: Panel, stem: str | Path) -> None:
    blocks = list(table.groupby(CASE, sort=False))
    with new_figure(stem, width=9, height=2.4 * len(blocks) + 0.3) as figure:
        rows = figure.subplots(len(blocks), len(LABELS), sharey="col", squeeze=False)
        for row, (case, block) in zip(rows, blocks, strict=True):
            target, window, network, source_channels, channels = case
            source = f"{block['source'].iloc[0]} {source_channels}"
            title = f"{network}: {source} to {target} {channels}, {window}"
            row[0].set_title(title, loc="left", fontweight="bold")
            for axes, (metric, label) in zip(row, LABELS.items(), strict=True):
                panel(axes, block, metric)
                axes.set_ylabel(label)
                tidy(axes, "y")
        handles, labels = rows[0][0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside upper center", ncols=6, frameon=False)
