"""Figs. 1, 5 and 6 of the XSleepNet paper: losses and loss weights during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from xsleep import systems
from xsleep.core.errors import InputError
from xsleep.results import published
from xsleep.results.figures.style import (
    COLOURS,
    COLUMN,
    PAGE,
    SHAPES,
    Style,
    heading,
    key_below,
    marker,
    new_figure,
    tidy,
)

LOOKS: dict[str, Style] = {
    "raw": {"color": COLOURS[1], "linestyle": "-", "marker": SHAPES[0]},
    "time-frequency": {"color": COLOURS[2], "linestyle": (0, (4, 1)), "marker": SHAPES[1]},
    "joint": {"color": COLOURS[0], "linestyle": "-", "marker": SHAPES[2]},
}
"""Style of each branch and of the system with its view alone; light, medium and black in grey."""
POINTS = 10
"""Evaluations in the moving average of the weights of XSleepNet2 (caption of Fig. 5)."""
LOSS, WEIGHT = "validation loss", "weight"
"""Quantities of a branch, as named in the columns of ``history.csv``."""
LABELS = {LOSS: "validation loss per epoch", WEIGHT: "weight of the branch's loss"}
FAINT: Style = {"color": "0.5", "linewidth": 0.6, "alpha": 0.5}
"""Style of the weights before smoothing."""
ACROSS = 3
"""Panels in a row of a figure."""

Histories = Mapping[str, pd.DataFrame]
"""Content of ``history.csv`` of each system, one row per evaluation."""


class Panel(NamedTuple):
    """One panel of a figure.

    Attributes:
        letter: Of the panel in the paper; empty for systems that are not of the paper.
        quantity: ``LOSS`` or ``WEIGHT``.
        lines: System and branch of each line; systems that were not run are named in the title.
    """

    letter: str
    title: str
    quantity: str
    lines: Sequence[tuple[str, str]]

    @property
    def smoothed(self) -> bool:
        """True if it shows averaged weights, as of XSleepNet2, whose weights are noisy."""
        system = systems.registry()[self.lines[0][0]]
        return self.quantity == WEIGHT and system.blending == "tangents"


def draw(
    figure: Literal["fig1", "fig5", "fig6"], histories: Histories, stem: str | Path, title: str
) -> None:
    """Write Fig. 1(b) and (d), 5 or 6 of the XSleepNet paper.

    Fig. 1 shows the validation losses of single and both views; Fig. 6 those of the baselines and
    of the branches of the XSleepNets; Fig. 5 these and, below, the weights of the branches. Systems
    that are not of the paper follow in panels without a letter. Panels of systems without a history
    are omitted.

    Args:
        histories: History of each system on one fold.
        title: Database, channel set and fold.

    Raises:
        InputError: There is nothing to draw, or a column is missing.
    """
    own = [name for name in histories if name not in systems.of_paper("XSleepNet")]
    losses, key = (_fig1 if figure == "fig1" else _branches)(histories, own)
    rows: list[Sequence[Panel | None]] = [losses]
    if figure == "fig5":
        rows.append([_weights(panel) for panel in losses])
    if not any(rows[-1]):
        given = ", ".join(histories) or "nothing"
        name = f"Fig. {figure.removeprefix('fig')}"
        raise InputError(f"{name}: nothing to draw in {given}; train XSleepNet2 as well")
    _draw(histories, rows, key, stem=stem, title=title)


def _baselines() -> dict[str, str]:
    """Return the single branch of each baseline of the paper."""
    known = systems.registry()
    names = [n for n in reversed(systems.of_paper("XSleepNet")) if not known[n].is_blended]
    return {name: known[name].branches[0] for name in names}


def _fig1(histories: Histories, own: Sequence[str]) -> tuple[list[Panel], dict[str, str]]:
    """Return the panels of Fig. 1, and the legend label of each branch and other system.

    Each has the single views, and (b) simple concatenation, (d) the joint branch of XSleepNet2, or
    else of XSleepNet1, the last one the deciding branches of the systems that are not of the paper.
    """
    single = {name: view for name, view in _baselines().items() if view != "joint"}
    xsleepnet = next((name for name in published.xsleepnets() if name in histories), "")
    titles = {"Naive Fusion": "simple concatenation (Naive Fusion)", xsleepnet: xsleepnet}
    panels = [
        Panel(letter, heading, LOSS, [*single.items(), (system, "joint")])
        for letter, (system, heading) in zip("bd", titles.items(), strict=True)
        if system in histories
    ]
    if own:
        decide = [(name, systems.registry()[name].branches[-1]) for name in own]
        panels.append(Panel("", "other systems", LOSS, [*single.items(), *decide]))
    key = {view: f"{system}, {view} view alone" for system, view in single.items()}
    return panels, key | {"joint": "both views"} | {name: name for name in own}


def _branches(histories: Histories, own: Sequence[str]) -> tuple[list[Panel], dict[str, str]]:
    """Return the panels of losses of Figs. 5 and 6, and the legend label of each branch."""
    baselines = _baselines()
    panels = [Panel("a", "baselines", LOSS, [*baselines.items()])]
    named = [*zip("bc", reversed(published.xsleepnets()), strict=True), *(("", n) for n in own)]
    for letter, name in named:
        branches = systems.registry()[name].branches
        title = f"{name}: branches" if len(branches) > 1 else name
        panels.append(Panel(letter, title, LOSS, [(name, branch) for branch in branches]))
    panels = [panel for panel in panels if any(name in histories for name, _ in panel.lines)]
    alone = {branch: f";\nin (a) {name}" for name, branch in baselines.items()}
    with_a = any(panel.letter == "a" for panel in panels)
    return panels, {b: f"{b} branch" + alone[b] * with_a for b in LOOKS}


def _weights(losses: Panel) -> Panel | None:
    """Return the panel of the weights of the branches whose losses are above, if these adapt."""
    name = losses.lines[0][0]
    if not systems.registry()[name].is_blended:
        return None
    letter = {"b": "d", "c": "e"}.get(losses.letter, "")
    panel = Panel(letter, f"{name}: weights", WEIGHT, losses.lines)
    mean = f",\nmean of {POINTS} evaluations" * panel.smoothed
    return panel._replace(title=panel.title + mean)


def _draw(
    histories: Histories,
    rows: Sequence[Sequence[Panel | None]],
    key: Mapping[str, str],
    *,
    stem: str | Path,
    title: str,
) -> None:
    """Draw rows of panels with the same number of places, of which those of ``None`` are empty."""
    panels = [panel for row in rows for panel in row if panel]
    lines = [line for panel in panels for line in panel.lines if line[0] in histories]
    last = max(_column(histories, system, "step").max() for system, _ in lines)
    unit = 1000 if last > 10_000 else 1
    few = max(len(histories[system]) for system, _ in lines) <= 40  # to be marked one by one
    size: Style = {"linewidth": 1.1, "markersize": 3.5} if few else {"linewidth": 0.8, "marker": ""}
    own = {name: marker(n) | {"linestyle": (":", "-.", "--")[n % 3]} for n, name in enumerate(key)}
    looks = {name: (own | LOOKS)[name] | size for name in key}
    drawn = {system if system in key else branch for system, branch in lines}
    handles = [Line2D([], [], label=key[k], **looks[k]) for k in key if k in drawn]
    if smoothed := ", ".join(panel.lines[0][0] for panel in panels if panel.smoothed):
        handles.append(Line2D([], [], label=f"weights of {smoothed},\nunsmoothed", **FAINT))
    across = min(ACROSS, len(rows[0]))
    placed = [
        row[first : first + across]
        for first in range(0, len(rows[0]), across)
        for row in rows
        if any(row[first : first + across])
    ]
    width = {1: COLUMN, 2: 5.2}.get(across, PAGE)
    with new_figure(stem, width=width, height=1.1 + 2.1 * len(placed)) as figure:
        heading(figure, title)
        grid = figure.add_gridspec(len(placed), across)
        everywhere: Axes | None = None
        beside: dict[str, Axes] = {}
        for place, row in enumerate(placed):
            first = next(panel for panel in row if panel)
            for column, panel in enumerate(row):
                if not panel:
                    continue
                shared = beside.get(panel.quantity)
                axes = figure.add_subplot(grid[place, column], sharex=everywhere, sharey=shared)
                _panel(axes, histories, panel, looks, unit=unit)
                everywhere = everywhere or axes
                if shared is None:
                    beside[panel.quantity] = axes
                    of = [other for other in panels if other.quantity == panel.quantity]
                    axes.set_ylim(_limits(histories, of))
                if panel is first:
                    axes.set_ylabel(LABELS[panel.quantity])
                else:
                    axes.tick_params(labelleft=False)
        if all(row[0] for row in placed):
            key_below(figure, handles)
        else:  # there is room, as below (a)
            free = next(place for place, row in enumerate(placed) if not row[0])
            room = figure.add_subplot(grid[free, 0])
            room.set_axis_off()
            room.legend(handles=handles, loc="center", frameon=False)


def _panel(
    axes: Axes, histories: Histories, panel: Panel, looks: Mapping[str, Style], *, unit: int
) -> None:
    for system, branch in panel.lines:
        if system in histories:
            steps = _column(histories, system, "step") / unit
            values = _column(histories, system, f"{branch} {panel.quantity}")
            look = looks[system if system in looks else branch]
            if panel.smoothed:
                axes.plot(steps, values, **FAINT | {"color": look["color"]})
                values = values.rolling(POINTS, min_periods=1).mean()
                look = look | {"linewidth": 1.3}
            axes.plot(steps, values, **look)
    missing = dict.fromkeys(system for system, _ in panel.lines if system not in histories)
    heading = f"({panel.letter}) {panel.title}" if panel.letter else panel.title
    axes.set_title(heading + (f"\nnot run: {', '.join(missing)}" if missing else ""))
    axes.set_xlabel("training step" + f" (in {unit:,})" * (unit > 1))
    tidy(axes, "both")


def _limits(histories: Histories, row: Sequence[Panel]) -> tuple[float, float]:
    """Return the limits of the y axis of a row; the losses of the first tenth may lie outside."""
    if row[0].quantity == WEIGHT:
        return -0.03, 1.03
    losses = [
        _column(histories, system, f"{branch} {LOSS}")
        for panel in row
        for system, branch in panel.lines
        if system in histories
    ]
    highest = max(values.iloc[int(0.1 * len(values)) :].max() for values in losses)
    lowest = min(values.min() for values in losses)
    room = 0.06 * (highest - lowest)
    return lowest - room, highest + room


def _column(histories: Histories, system: str, column: str) -> pd.Series:
    if column not in histories[system]:
        raise InputError(f"no column '{column}' in the history of {system}; train it again")
    return histories[system][column]
