"""Figs. 1, 5 and 6 of the XSleepNet paper: losses and loss weights during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xsleep.core.errors import InputError
from xsleep.results import published
from xsleep.results.figures.style import COLOURS, FONT, SHAPES, Style, save, tidy
from xsleep.systems import of_paper, registry

LOOKS: dict[str, Style] = {
    "raw": {"color": COLOURS[1], "linestyle": "-", "marker": SHAPES[0]},
    "time-frequency": {"color": COLOURS[2], "linestyle": (0, (4, 1)), "marker": SHAPES[1]},
    "joint": {"color": COLOURS[0], "linestyle": "-", "marker": SHAPES[2]},
}
"""Style of each branch and of the system with its view alone; light, medium and black in grey."""
BRANCHES = tuple(LOOKS)
ADAPTIVE = published.xsleepnets()[::-1]
BASELINES = {
    name: registry()[name].branches[0]
    for name in reversed(of_paper("XSleepNet"))
    if name not in ADAPTIVE
}
"""The single branch of each baseline."""
SINGLE_VIEWS = {system: view for system, view in BASELINES.items() if view != "joint"}
SMOOTHED = next(name for name in ADAPTIVE if registry()[name].blending == "tangents")
POINTS = 10
"""Evaluations in the moving average of the weights of XSleepNet2 (caption of Fig. 5)."""
LOSS, WEIGHT = "validation loss", "weight"
"""Quantities of a branch, as named in the columns of ``history.csv``."""
LABELS = {LOSS: "validation loss per epoch", WEIGHT: "weight of the branch's loss"}
FAINT: Style = {"color": "0.5", "linewidth": 0.6, "alpha": 0.3}
THICK: Style = {"linewidth": 1.3}
"""Style of the weights before and after smoothing."""
THOUSANDS = 10_000
"""Number of steps above which the axis is in thousands."""
FEW = 40
"""Largest number of evaluations that are marked one by one."""
START = 0.1
"""Share of the training, from its start, whose far higher losses may exceed the axis."""

Histories = Mapping[str, pd.DataFrame]
"""Content of ``history.csv`` of each system, one row per evaluation."""


class Panel(NamedTuple):
    """One panel of a figure.

    Attributes:
        letter: of the panel in the paper.
        title: its title.
        quantity: ``LOSS`` or ``WEIGHT``.
        lines: system and branch of each line; systems that were not run are named in the title.
    """

    letter: str
    title: str
    quantity: str
    lines: Sequence[tuple[str, str]]


def fig1(histories: Histories, stem: str | Path, title: str) -> None:
    """Write Fig. 1(b) and (d) of the XSleepNet paper as ``stem``.svg and ``stem``.png.

    Validation losses of the single views, with (b) that of simple concatenation, which is Naive
    Fusion, and (d) that of the joint branch of XSleepNet2, or else of XSleepNet1.

    Args:
        histories: history of each system on one fold.
        stem: path of the files, without suffix.
        title: database, channel set and fold.

    Raises:
        InputError: no system of both views was run, or a column is missing.
    """
    xsleepnet = next((s for s in reversed(ADAPTIVE) if s in histories), "")
    titles = {"Naive Fusion": "simple concatenation (Naive Fusion)", xsleepnet: xsleepnet}
    panels = [
        Panel(letter, heading, LOSS, [*SINGLE_VIEWS.items(), (system, "joint")])
        for letter, (system, heading) in zip("bd", titles.items(), strict=True)
        if system in histories
    ]
    key = {view: f"{system}, {view} view alone" for system, view in SINGLE_VIEWS.items()}
    _draw("Fig. 1", histories, [panels], key | {"joint": "both views"}, stem=stem, title=title)


def fig5(histories: Histories, stem: str | Path, title: str) -> None:
    """Write Fig. 5 of the XSleepNet paper as ``stem``.svg and ``stem``.png.

    Above, the validation losses of (a) the baselines and of the branches of (b) XSleepNet1 and (c)
    XSleepNet2; below, the loss weights of these branches of (d) XSleepNet1 and (e) XSleepNet2, the
    latter as a moving average over ``POINTS`` evaluations, with the raw weights faint behind.
    Panels of systems without a history are omitted.

    Args:
        histories: history of each system on one fold.
        stem: path of the files, without suffix.
        title: database, channel set and fold.

    Raises:
        InputError: neither XSleepNet was run, or a column is missing.
    """
    adaptive = [system for system in ADAPTIVE if system in histories]
    weights = [
        Panel(
            "de"[ADAPTIVE.index(system)],
            f"{system}: weights" + f", mean of {POINTS} evaluations" * (system == SMOOTHED),
            WEIGHT,
            [(system, branch) for branch in BRANCHES],
        )
        for system in adaptive
    ]
    losses = _losses(histories)
    rows = [losses, weights] if weights else []
    _draw("Fig. 5", histories, rows, _key(losses), stem=stem, title=title)


def fig6(histories: Histories, stem: str | Path, title: str) -> None:
    """Write Fig. 6 of the XSleepNet paper as ``stem``.svg and ``stem``.png.

    Validation losses of (a) the baselines and of the branches of (b) XSleepNet1 and (c) XSleepNet2.
    Panels of systems without a history are omitted.

    Args:
        histories: history of each system on one fold.
        stem: path of the files, without suffix.
        title: database, channel set and fold.

    Raises:
        InputError: none of these systems was run, or a column is missing.
    """
    losses = _losses(histories)
    _draw("Fig. 6", histories, [losses], _key(losses), stem=stem, title=title)


def _losses(histories: Histories) -> list[Panel]:
    """Return those of the panels (a), (b) and (c) of Figs. 5 and 6 that have a history."""
    panels = [Panel("a", "baselines", LOSS, [*BASELINES.items()])]
    panels += [
        Panel(letter, f"{system}: branches", LOSS, [(system, b) for b in BRANCHES])
        for letter, system in zip("bc", ADAPTIVE, strict=True)
    ]
    return [panel for panel in panels if any(system in histories for system, _ in panel.lines)]


def _key(losses: Sequence[Panel]) -> dict[str, str]:
    """Return the legend label of each branch in the panels of losses."""
    alone: dict[str, str] = {view: system for system, view in BASELINES.items()}
    with_a = any(panel.letter == "a" for panel in losses)
    return {b: f"{b} branch" + f"; in (a) {alone[b]}" * with_a for b in BRANCHES}


def _draw(
    name: str,
    histories: Histories,
    rows: Sequence[Sequence[Panel]],
    key: Mapping[str, str],
    *,
    stem: str | Path,
    title: str,
) -> None:
    """Draw rows of panels; rows shorter than the first are aligned to the right."""
    if not any(rows):
        given = ", ".join(histories) or "nothing"
        raise InputError(f"{name}: nothing to draw in {given}; train XSleepNet2 as well")
    columns = len(rows[0])
    panels = [panel for row in rows for panel in row]
    lines = [line for panel in panels for line in panel.lines if line[0] in histories]
    shown, drawn = map(set, zip(*lines, strict=True))
    last = max(_column(histories, system, "step").max() for system in shown)
    unit = 1000 if last > THOUSANDS else 1
    looks = _looks(max(len(histories[system]) for system in shown))
    handles = [Line2D([], [], label=key[b], **looks[b]) for b in BRANCHES if b in drawn]
    if any(map(_smoothed, panels)):
        handles.append(Line2D([], [], label=f"weights of {SMOOTHED}, unsmoothed", **FAINT))
    with matplotlib.rc_context(FONT):
        size = (max(5.5, 0.9 + 3 * columns), 0.9 + 2.3 * len(rows))
        figure = Figure(figsize=size, layout="constrained")
        figure.suptitle(title, fontsize=9)
        grid = figure.add_gridspec(len(rows), columns)
        everywhere: Axes | None = None
        for place, row in enumerate(rows):
            beside: Axes | None = None
            for column, panel in enumerate(row, columns - len(row)):
                axes = figure.add_subplot(grid[place, column], sharex=everywhere, sharey=beside)
                _panel(axes, histories, panel, looks, unit=unit)
                everywhere = everywhere or axes
                if beside is None:
                    beside = axes
                    axes.set_ylabel(LABELS[panel.quantity])
                    axes.set_ylim(_limits(histories, row))
                else:
                    axes.tick_params(labelleft=False)
        if len(rows[-1]) < columns:  # there is room below (a)
            room = figure.add_subplot(grid[-1, 0])
            room.set_axis_off()
            room.legend(handles=handles, loc="center", frameon=False)
        else:
            figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
        save(figure, stem)


def _panel(
    axes: Axes, histories: Histories, panel: Panel, looks: Mapping[str, Style], *, unit: int
) -> None:
    for system, branch in panel.lines:
        if system in histories:
            steps = _column(histories, system, "step") / unit
            values = _column(histories, system, f"{branch} {panel.quantity}")
            look = looks[branch]
            if _smoothed(panel):
                axes.plot(steps, values, **FAINT | {"color": look["color"]})
                values, look = values.rolling(POINTS, min_periods=1).mean(), look | THICK
            axes.plot(steps, values, **look)
    missing = dict.fromkeys(system for system, _ in panel.lines if system not in histories)
    told = f"\nnot run: {', '.join(missing)}" if missing else ""
    axes.set_title(f"({panel.letter}) {panel.title}{told}")
    axes.set_xlabel("training step" + f" (in {unit:,})" * (unit > 1))
    tidy(axes, "both")


def _smoothed(panel: Panel) -> bool:
    return panel.quantity == WEIGHT and panel.lines[0][0] == SMOOTHED


def _looks(evaluations: int) -> dict[str, Style]:
    """Return the style of each branch: a marker for each evaluation, or thin lines for many."""
    few: Style = {"linewidth": 1.1, "markersize": 3.5}
    many: Style = {"linewidth": 0.8, "marker": ""}
    return {branch: look | (few if evaluations <= FEW else many) for branch, look in LOOKS.items()}


def _limits(histories: Histories, row: Sequence[Panel]) -> tuple[float, float]:
    """Return the limits of the y axis of a row; the first losses may lie outside them."""
    if row[0].quantity == WEIGHT:
        return -0.03, 1.03
    losses = [
        _column(histories, system, f"{branch} {LOSS}")
        for panel in row
        for system, branch in panel.lines
        if system in histories
    ]
    highest = max(values.iloc[int(START * len(values)) :].max() for values in losses)
    lowest = min(values.min() for values in losses)
    room = 0.06 * (highest - lowest)
    return lowest - room, highest + room


def _column(histories: Histories, system: str, column: str) -> pd.Series:
    try:
        return histories[system][column]
    except KeyError:
        raise InputError(
            f"no column '{column}' in the history of {system}; train it again"
        ) from None
