"""Fig. 5: how the branches learn, and how their losses are weighted meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xsleep.errors import InputError
from xsleep.figures.style import COLOURS, FONT, SHAPES, save, tidy

LOOKS = {
    "raw": (COLOURS[1], SHAPES[0]),
    "time-frequency": (COLOURS[2], SHAPES[1]),
    "joint": (COLOURS[0], SHAPES[2]),
}
"""Colour and marker of each branch: light, middle and black without colour."""
BRANCHES = tuple(LOOKS)
ADAPTIVE = ("XSleepNet1", "XSleepNet2")
SMOOTHED = "XSleepNet2"
POINTS = 10
"""Evaluations in the moving average of XSleepNet2's weights (caption of Fig. 5)."""


def draw(histories: Mapping[str, pd.DataFrame], stem: str | Path, title: str) -> None:
    """Write Fig. 5 of the XSleepNet paper for one fold as ``stem``.svg and ``stem``.png.

    A column of panels per XSleepNet: above, the validation losses of its branches, with those of
    the other systems dashed and hollow; below, the weights of its branches. Those of XSleepNet2 are
    smoothed over ``POINTS`` evaluations, with the raw ones in a panel beside them.

    Args:
        histories: the ``history.csv`` of each system, one row per evaluation.
        title: what fold of what.

    Raises:
        InputError: no XSleepNet among the systems, or a column that is missing.
    """
    adaptive = [system for system in ADAPTIVE if system in histories]
    if not adaptive:
        given = ", ".join(histories) or "nothing"
        raise InputError(f"Fig. 5: no XSleepNet in {given}; train XSleepNet1 or XSleepNet2")
    others = {s: _decisive(s, h) for s, h in histories.items() if s not in ADAPTIVE}
    columns = [*adaptive, *(system for system in adaptive if system == SMOOTHED)]
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(1.5 + 3.2 * len(columns), 5.2), layout="constrained")
        figure.suptitle(title, fontsize=9)
        panels = figure.subplots(
            2, len(columns), sharex=True, sharey="row", squeeze=False, height_ratios=(3, 2)
        )
        for losses, system in zip(panels[0], adaptive, strict=False):
            losses.set_title(system, fontweight="bold")
            for branch in BRANCHES:
                _loss(losses, histories, system, branch, label=branch)
                for other in (other for other, decisive in others.items() if decisive == branch):
                    _loss(losses, histories, other, branch, label=other, dashed=True)
        for place, (weights, system) in enumerate(zip(panels[1], columns, strict=True)):
            smooth = system == SMOOTHED and place < len(adaptive)
            for branch in BRANCHES:
                _weight(weights, histories, system, branch, POINTS if smooth else 1)
            of = f"mean of the last {POINTS} evaluations" if smooth else "as they were"
            weights.set_title(f"weights of {system}, {of}")
            weights.set_xlabel("training step")
        for panel in panels.flat:
            tidy(panel, "both")
        panels[0, 0].set_ylabel("validation loss per epoch")
        panels[1, 0].set_ylabel("weight of the branch's loss")
        panels[1, 0].set_ylim(-0.03, 1.03)
        key = panels[0, 0].get_legend_handles_labels()
        if len(columns) > len(adaptive):
            panels[0, -1].set_axis_off()
            panels[0, -1].legend(*key, loc="center", frameon=False)
        else:
            figure.legend(*key, loc="outside lower center", ncols=3, frameon=False)
        save(figure, stem)


def _loss(
    panel: Axes,
    histories: Mapping[str, pd.DataFrame],
    system: str,
    branch: str,
    label: str,
    dashed: bool = False,
) -> None:
    steps = _column(histories, system, "step")
    losses = _column(histories, system, f"{branch} validation loss")
    other = {"linestyle": "--", "markerfacecolor": "white"} if dashed else {}
    panel.plot(steps, losses, label=label, linewidth=1.2, **_look(branch, len(losses)), **other)


def _weight(
    panel: Axes, histories: Mapping[str, pd.DataFrame], system: str, branch: str, points: int
) -> None:
    steps = _column(histories, system, "step")
    weights = _column(histories, system, f"{branch} weight")
    smooth = weights.rolling(points, min_periods=1).mean().where(weights.notna())
    panel.plot(steps, smooth, linewidth=1.2, **_look(branch, len(weights)))


def _look(branch: str, points: int) -> dict:
    """Colour and shape of a branch, with a few markers along its line, not all at one step."""
    colour, marker = LOOKS[branch]
    place, every = BRANCHES.index(branch), max(1, points // 8)
    return {
        "color": colour,
        "marker": marker,
        "markersize": 4.5,
        "markevery": (place * every // len(BRANCHES), every),
    }


def _decisive(system: str, history: pd.DataFrame) -> str:
    """The branch whose output is the system's: joint, or the only one of a single view."""
    for branch in ("joint", "raw", "time-frequency"):
        if f"{branch} validation loss" in history:
            return branch
    raise InputError(f"Fig. 5: no validation loss in the history of {system}; train it again")


def _column(histories: Mapping[str, pd.DataFrame], system: str, column: str) -> pd.Series:
    try:
        return histories[system][column]
    except KeyError:
        raise InputError(
            f"Fig. 5: no column '{column}' in the history of {system}; train it again"
        ) from None
