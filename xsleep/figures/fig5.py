"""Fig. 5: how the branches learn, and how their losses are weighted meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xsleep.errors import InputError
from xsleep.figures.style import COLOURS, FONT, SHAPES, save

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
    smoothed over ``POINTS`` evaluations, with the raw ones faint behind.

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
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(1.5 + 3.6 * len(adaptive), 5.2), layout="constrained")
        figure.suptitle(title, fontsize=9)
        panels = figure.subplots(
            2, len(adaptive), sharex=True, sharey="row", squeeze=False, height_ratios=(3, 2)
        )
        for (losses, weights), system in zip(panels.T, adaptive, strict=True):
            losses.set_title(system, fontweight="bold")
            for branch in BRANCHES:
                _loss(losses, histories, system, branch, label=branch)
                for other in (other for other, decisive in others.items() if decisive == branch):
                    _loss(losses, histories, other, branch, label=other, dashed=True)
                _weight(weights, histories, system, branch)
            if system == SMOOTHED:
                weights.set_title(
                    f"mean of the last {POINTS} evaluations; faint: each one", fontsize=7
                )
            weights.set_xlabel("training step")
            for panel in (losses, weights):
                panel.grid(color="0.9", linewidth=0.6)
                panel.set_axisbelow(True)
                panel.spines[["top", "right"]].set_visible(False)
        panels[0, 0].set_ylabel("validation loss per epoch")
        panels[1, 0].set_ylabel("weight of the branch's loss")
        panels[1, 0].set_ylim(-0.03, 1.03)
        figure.legend(
            *panels[0, 0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=3,
            frameon=False,
        )
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


def _weight(panel: Axes, histories: Mapping[str, pd.DataFrame], system: str, branch: str) -> None:
    steps = _column(histories, system, "step")
    weights = _column(histories, system, f"{branch} weight")
    look = _look(branch, len(weights))
    if system == SMOOTHED:
        panel.plot(steps, weights, color=look["color"], linewidth=0.6, alpha=0.35, zorder=1)
        smooth = weights.rolling(POINTS, min_periods=1).mean()
        weights = smooth.where(weights.notna())
    panel.plot(steps, weights, linewidth=1.2, **look)


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
