"""What finetuning reaches: strategy by strategy, and over the number of training subjects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xsleep.results.figures.style import COLOURS, FONT, LABELS, SHAPES, save, tidy
from xsleep.results.transfer_tables import CASE

NAMES = {
    "scratch": "from scratch",
    "direct": "not finetuned",
    "softmax": "softmax",
    "softmax+SPB": "softmax + SPB",
    "softmax+EPB": "softmax + EPB",
    "all": "all layers",
}
WIDTH, HEIGHT = 9.0, 2.4
"""Inches: of the figure, and of each row of panels."""

Panel = Callable[[Axes, pd.DataFrame, str], None]
"""Draws one metric of the rows of one case."""


def strategies(table: pd.DataFrame, stem: str | Path) -> None:
    """Write as ``stem``.svg and ``stem``.png what each strategy reaches, with 95 % intervals.

    A row of panels for each target, network and channels; the line is training from scratch, and
    hollow is what the paper reports.
    """

    def panel(axes: Axes, block: pd.DataFrame, metric: str) -> None:
        block = block.reset_index(drop=True)
        for place, row in block.iterrows():
            _point(axes, place, row, metric, place)
            if pd.notna(row.get(f"published {metric}")):
                look = {"markerfacecolor": "white", "color": COLOURS[place % len(COLOURS)]}
                axes.plot(place + 0.2, row[f"published {metric}"], SHAPES[place], **look)
        for value in block.loc[block["strategy"] == "scratch", metric]:
            axes.axhline(value, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
        names = [NAMES[name] for name in block["strategy"]]
        axes.set_xticks(range(len(block)), names, rotation=30, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.5, len(block) - 0.5)

    _draw(table, panel, stem)


def learning_curves(table: pd.DataFrame, stem: str | Path) -> None:
    """Write as ``stem``.svg and ``stem``.png the metrics over the number of training subjects.

    A line with its 95 % interval for each strategy; one that trains nothing is a line across.
    """

    def panel(axes: Axes, block: pd.DataFrame, metric: str) -> None:
        block = block.sort_values("training subjects")
        for place, (strategy, line) in enumerate(block.groupby("strategy", sort=False)):
            colour = COLOURS[list(NAMES).index(strategy)]
            if strategy == "direct":
                axes.axhline(
                    line[metric].iloc[0], color=colour, linestyle=":", label=NAMES[strategy]
                )
                continue
            shape = SHAPES[place]
            axes.plot(
                line["training subjects"],
                line[metric],
                shape + "-",
                color=colour,
                label=NAMES[strategy],
            )
            axes.fill_between(
                *(
                    line["training subjects"],
                    line[f"95 % from {metric}"],
                    line[f"95 % to {metric}"],
                ),
                **{"color": colour, "alpha": 0.15, "linewidth": 0},
            )
        ticks = np.unique(block["training subjects"])
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("training subjects")

    _draw(table, panel, stem)


def _point(axes: Axes, x: float, row: pd.Series, metric: str, place: int) -> None:
    value = row[metric]
    reach = [[value - row[f"95 % from {metric}"]], [row[f"95 % to {metric}"] - value]]
    look = {"color": COLOURS[place % len(COLOURS)], "markersize": 5, "capsize": 2, "linewidth": 1}
    axes.errorbar(x, value, reach, fmt=SHAPES[place % len(SHAPES)], **look)


def _draw(table: pd.DataFrame, panel: Panel, stem: str | Path) -> None:
    blocks = list(table.groupby(CASE, sort=False))
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(WIDTH, HEIGHT * len(blocks) + 0.3), layout="constrained")
        rows = figure.subplots(len(blocks), len(LABELS), sharey="col", squeeze=False)
        for row, (case, block) in zip(rows, blocks, strict=True):
            row[0].set_title(_title(block["source"].iloc[0], case), loc="left", fontweight="bold")
            for axes, (metric, label) in zip(row, LABELS.items(), strict=True):
                panel(axes, block, metric)
                axes.set_ylabel(label)
                tidy(axes, "y")
        handles, labels = rows[0][0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside upper center", ncols=6, frameon=False)
        save(figure, stem)


def _title(source: str, case: Sequence[str]) -> str:
    target, window, network, source_channels, channels = case
    return f"{network}: {source} {source_channels} to {target} {channels}, {window}"
