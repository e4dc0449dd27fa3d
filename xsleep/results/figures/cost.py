"""Figure, not of the paper, of the accuracy of each network over what it costs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from xsleep.core.errors import InputError
from xsleep.results.cost import CASE, TIMES, places
from xsleep.results.figures.style import PAGE, heading, key_below, marker, new_figure, tidy
from xsleep.results.formatting import entitled

LABELS = {
    "parameters": "parameters",
    "GFLOP a night": "GFLOP to score a night",
    TIMES["training"]: "seconds to train a fold",
    TIMES["scoring"]: "seconds to score a night",
}
"""Axis label of each cost, in the order of the panels."""

STEPS = {True: (1.0,), False: (1.0, 2.0, 5.0)}
"""Steps of the axes within a power of ten, by whether they span many of them."""


def draw(table: pd.DataFrame, stem: str | Path, simulated: Collection[str] = ()) -> None:
    """Write accuracy over each cost as the figure ``stem``: a row for each case, log axes.

    Costs that no run has are left out.

    Args:
        table: of `xsleep.results.cost.cost`.
        simulated: names of databases that are simulated.

    Raises:
        InputError: nothing has an accuracy.
    """
    table = table[table["accuracy"].notna()]
    if table.empty:
        raise InputError("cost: no system has an accuracy in results/table2.csv; train one first")
    costs = [name for name in LABELS if table[name].notna().any()]
    cases = list(table.groupby([*CASE], sort=False))
    known = places(table)
    with new_figure(stem, width=PAGE, height=1.1 + 1.7 * len(cases)) as figure:
        heading(figure, entitled("Accuracy and cost", [*table["database"].unique()], simulated))
        rows = figure.subplots(len(cases), len(costs), sharex="col", sharey="row", squeeze=False)
        for row, (case, block) in zip(rows, cases, strict=True):
            row[0].set_title(", ".join(map(str, case)), loc="left", fontweight="bold")
            row[0].set_ylabel("accuracy (%)")
            for panel, name in zip(row, costs, strict=True):
                _panel(panel, block, name, known)
        for panel, name in zip(rows[-1], costs, strict=True):
            panel.set_xlabel(LABELS[name])
        key = [
            Line2D([], [], label=name, linestyle="", markersize=5, **marker(place))
            for name, place in known.items()
        ]
        key_below(figure, key)


def _panel(panel: Axes, block: pd.DataFrame, cost: str, known: dict[str, int]) -> None:
    for row in block[block[cost].notna()].to_dict("records"):
        look = marker(known[str(row["system"])])
        panel.plot(row[cost], row["accuracy"], linestyle="", markersize=5, **look)
    panel.margins(0.15)
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=STEPS[_wide(panel)]))
    thousands = EngFormatter(sep="").format_eng
    panel.xaxis.set_major_formatter(
        lambda value, place: thousands(value) if value >= 1 else f"{value:g}"
    )
    panel.xaxis.set_minor_locator(NullLocator())
    tidy(panel, "both")


def _wide(panel: Axes) -> bool:
    """Return whether the horizontal axis spans more than a hundredfold."""
    low, high = panel.get_xlim()
    return high > 100 * low
