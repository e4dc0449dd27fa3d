"""How the accuracy of each system varies over the subjects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xsleep.core.errors import InputError
from xsleep.results.figures.style import FONT, marker, save, tidy
from xsleep.results.inference import each
from xsleep.results.measurements import Outcome

FEW = 5
"""Subjects below which there is no box."""
MANY = 500
"""Above which the points are a picture within the SVG, which opens slowly otherwise."""


def draw(outcomes: Sequence[Outcome], stem: str | Path, title: str) -> None:
    """Write the accuracy of every subject, by system, as ``stem``.svg and ``stem``.png.

    A row per system: a point per subject (with several seeds the mean over them), a box from the
    lower to the upper quartile with the median, and the name of the subject with the lowest.

    Args:
        outcomes: of one database, window and channel set.

    Raises:
        InputError: nothing was tested.
    """
    tested = [outcome for outcome in outcomes if not outcome.counts.empty]
    if not tested:
        raise InputError(f"{title}: accuracy of no subject; train and score at least one system")
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(7, 1.1 + 0.55 * len(tested)), layout="constrained")
        panel = figure.subplots()
        panel.set_title(f"{title}: accuracy of each subject")
        for place, outcome in enumerate(tested):
            _row(panel, place, outcome)
        panel.set_yticks(
            range(len(tested)), [f"{one.system}\nn = {one.number('subject')}" for one in tested]
        )
        panel.set_ylim(len(tested) - 0.4, -0.6)
        panel.set_xlabel("accuracy (%)")
        panel.margins(x=0.08)
        tidy(panel, "x")
        save(figure, stem)


def _row(panel: Axes, place: int, outcome: Outcome) -> None:
    accuracy = each(outcome.matrices("subject"))["accuracy"]
    names = sorted(outcome.counts.index.unique("subject"))  # the order of the matrices
    heights = place + np.random.default_rng(0).uniform(-0.24, 0.24, len(accuracy))
    # fainter and smaller where they overlap
    crowd = min(1, 40 / len(accuracy))
    panel.plot(
        accuracy,
        heights,
        **marker(place) | {"linestyle": "", "markeredgewidth": 0},
        **{"alpha": 0.25 + 0.6 * crowd, "markersize": 2.5 + 2.5 * crowd},
        rasterized=len(accuracy) > MANY,
    )
    if len(accuracy) >= FEW:
        line = {"color": "black", "linewidth": 0.9}
        panel.boxplot(
            accuracy,
            **{"positions": [place], "widths": 0.62, "orientation": "horizontal"},
            **{"manage_ticks": False, "showfliers": False, "showcaps": False},
            **{"boxprops": line, "whiskerprops": line, "medianprops": line | {"linewidth": 2}},
        )
    worst = int(accuracy.argmin())
    panel.annotate(
        names[worst],
        (accuracy[worst], heights[worst]),
        **{"xytext": (-5, 0), "textcoords": "offset points", "ha": "right", "va": "center"},
        **{"fontsize": 6, "color": "0.3"},
    )
