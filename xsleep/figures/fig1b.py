"""Fig. 1(b): views that generalise and overfit at different rates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xsleep.errors import InputError
from xsleep.figures.style import FONT, SHAPES, save, tidy

VIEWS = {
    "raw": "FCNN+RNN",
    "time-frequency": "ARNN+RNN",
    "joint": "Naive Fusion",
}
"""The network that learns from each view alone, or from both as one."""
BLENDING = ("XSleepNet2", "XSleepNet1")
"""Whose branches stand in where one of these was not trained."""


def draw(histories: Mapping[str, pd.DataFrame], stem: str | Path, title: str) -> None:
    """Write Fig. 1(b) of the XSleepNet paper for one fold as ``stem``.svg and ``stem``.png.

    A panel per view: its losses on the training subset and on the validation set over the steps,
    what is between them shaded, and the lowest validation loss marked. G of a view is how far the
    validation loss falls, O how far the two part (Section 3 of the paper).

    Args:
        histories: the ``history.csv`` of each system, one row per evaluation.
        title: what fold of what.

    Raises:
        InputError: no system has the losses of a view.
    """
    shown = [
        (view, system, histories[system])
        for view, alone in VIEWS.items()
        for system in [_first(histories, view, (alone, *BLENDING))]
        if system
    ]
    if not shown:
        given = ", ".join(histories) or "nothing"
        raise InputError(f"Fig. 1(b): no losses of a view in {given}; train FCNN+RNN and ARNN+RNN")
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(2 + 2.6 * len(shown), 3.2), layout="constrained")
        figure.suptitle(title, fontsize=9)
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for panel, (view, system, history) in zip(panels, shown, strict=True):
            branch = "" if system == VIEWS[view] else ", this branch"
            panel.set_title(f"{view} ({system}{branch})", fontweight="bold")
            _losses(panel, history, view)
            panel.set_xlabel("training step")
            tidy(panel, "both")
        panels[0].set_ylim(0, None)
        panels[0].set_ylabel("loss per epoch")
        key = panels[0].get_legend_handles_labels()
        figure.legend(*key, loc="outside lower center", ncols=4, frameon=False)
        save(figure, stem)


def _losses(panel: Axes, history: pd.DataFrame, view: str) -> None:
    steps = history["step"]
    training, validation = (history[column] for column in _columns(view))
    panel.fill_between(
        steps, training, validation, color="0.85", linewidth=0, label="between the two"
    )
    panel.plot(steps, training, ".--", color="0.4", linewidth=1.2, label="training subset")
    panel.plot(steps, validation, ".-", color="black", linewidth=1.2, label="validation set")
    if validation.notna().any():
        best = validation.idxmin()
        panel.plot(
            *(steps[best], validation[best], SHAPES[7]),
            **{"color": "black", "markersize": 8, "clip_on": False, "label": "its lowest loss"},
        )


def _columns(view: str) -> list[str]:
    return [f"{view} training loss", f"{view} validation loss"]


def _first(histories: Mapping[str, pd.DataFrame], view: str, systems: tuple[str, ...]) -> str:
    """The first of the systems that has the losses of a view; empty without any."""
    needed = {"step", *_columns(view)}
    return next((s for s in systems if s in histories and needed <= {*histories[s]}), "")
