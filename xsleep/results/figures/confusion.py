"""Confusion matrices of all systems, and the F1 of each stage with its intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from xsleep.core.arrays import Floats
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results import inference
from xsleep.results.figures import STAGE_COLOURS
from xsleep.results.figures.style import (
    COLUMN,
    PAGE,
    SMALL,
    Style,
    heading,
    marker,
    new_figure,
    tidy,
    wrapped,
)
from xsleep.results.measurements import SystemResults
from xsleep.results.metrics import class_wise

SHOWN = tuple(STAGE_COLOURS)
"""Stages in the order of the figures, as in a hypnogram from the top down."""
ORDER = [STAGES.index(stage) for stage in SHOWN]
COLUMNS = 3


def matrices(results: Sequence[SystemResults], stem: str | Path, title: str) -> None:
    """Write the confusion matrix of every system on one database, window and channel set.

    Rows are true stages, in percent of their epochs, with the number of epochs below: the mean over
    seeds. A stage without epochs has an empty row.

    Raises:
        InputError: No system was tested.
    """
    tested = _tested(results, title)
    rows = math.ceil(len(tested) / COLUMNS)
    columns = math.ceil(len(tested) / rows)
    width = max(COLUMN, 0.5 + (PAGE - 0.5) * columns / COLUMNS)
    with new_figure(stem, width=width, height=0.8 + 2.4 * rows) as figure:
        heading(figure, f"Confusion matrices: % of the true stage, and epochs\n{title}")
        panels = figure.subplots(rows, columns, squeeze=False)
        for panel, result in zip_longest(panels.flat, tested):
            if result is None:
                panel.set_axis_off()
                continue
            _matrix(panel, result.matrices().mean(axis=0)[np.ix_(ORDER, ORDER)])
            panel.set_title(wrapped(result.system, 2), fontweight="bold")
        figure.supxlabel("predicted stage", fontsize=8)
        figure.supylabel("true stage", fontsize=8)


def _matrix(panel: Axes, counts: Floats) -> None:
    with np.errstate(invalid="ignore"):
        shares = counts / counts.sum(axis=1, keepdims=True)
    panel.imshow(shares, cmap="Greys", vmin=0, vmax=1.25)
    for (row, column), share in np.ndenumerate(shares):
        if not math.isnan(share):
            look: Style = {"ha": "center", "color": "white" if share > 0.75 else "black"}
            weight = "bold" if row == column else "normal"
            panel.text(column, row - 0.05, f"{100 * share:.0f}", weight=weight, **look)
            number = short(float(counts[row, column]))
            panel.text(column, row + 0.07, number, va="top", fontsize=SMALL, **look)
    panel.set_xticks(range(len(SHOWN)), SHOWN)
    panel.set_yticks(range(len(SHOWN)), SHOWN)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)


def short(number: float) -> str:
    """Return a number of epochs in at most five characters: ``9,999``, ``10.2k``, ``2.01M``."""
    if number < 9_999.5:
        return f"{number:,.0f}"
    unit, name = (1e3, "k") if number < 999_500 else (1e6, "M")
    return f"{number / unit:#.3g}".rstrip(".") + name


def stages(results: Sequence[SystemResults], stem: str | Path, title: str) -> None:
    """Write the F1 of each stage, by system, on one database, window and channel set.

    A column per stage and a row per system: the F1 over all epochs, the mean over seeds, with its
    95 % interval over subjects. The value is at the right.

    Raises:
        InputError: No system was tested.
    """
    tested = _tested(results, title)
    found = [by_stage(result.matrices()) for result in tested]
    shown = [stage for stage in SHOWN if any(np.isfinite(of[stage]).any() for of in found)]
    with new_figure(stem, width=PAGE, height=1.1 + 0.24 * len(tested)) as figure:
        heading(figure, f"F1 of each stage\n{title}")
        panels = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
        for place, (result, values) in enumerate(zip(tested, found, strict=True)):
            spans = inference.intervals(result.matrices("subject"), measures=by_stage)
            for panel, stage in zip(panels, shown, strict=True):
                _interval(panel, place, float(values[stage].mean()), spans[stage])
        for panel, stage in zip(panels, shown, strict=True):
            panel.set_title(stage, fontweight="bold")
            panel.set_xlabel("F1 (%)")
            panel.tick_params(axis="y", length=0)
            tidy(panel, "x")
        panels[0].set_yticks(range(len(tested)), [one.system for one in tested])
        panels[0].set_ylim(len(tested) - 0.5, -0.5)


def by_stage(matrices: NDArray[Any]) -> Mapping[str, Floats]:
    """Return the F1 (...) of each stage in percent from confusion matrices (..., 5, 5).

    It is NaN where the stage is neither true nor predicted.
    """
    values = class_wise(matrices)["F1"]
    return {stage: values[..., place] for place, stage in enumerate(STAGES)}


def _interval(panel: Axes, place: int, value: float, span: tuple[float, float]) -> None:
    if math.isnan(value):
        return
    look = marker(place)
    panel.plot(span, [place, place], color=look["color"], linewidth=1)
    panel.plot(value, place, linestyle="", markersize=4, clip_on=False, **look)
    beside: Style = {"textcoords": "offset points", "va": "center", "fontsize": SMALL}
    across = panel.get_yaxis_transform()
    panel.annotate(f"{value:.1f}", (1, place), (2, 0), xycoords=across, **beside)


def _tested(results: Sequence[SystemResults], title: str) -> list[SystemResults]:
    tested = [result for result in results if not result.counts.empty]
    if not tested:
        raise InputError(f"{title}: epochs of no system; train and score at least one system")
    return tested
