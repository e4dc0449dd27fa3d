"""Figure of the accuracy of each system over the subjects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from xsleep.core.errors import InputError
from xsleep.results.figures.style import Style, marker, new_figure, tidy
from xsleep.results.inference import each
from xsleep.results.measurements import SystemResults

FEW = 5
"""Smallest number of subjects for which a box is drawn."""
MANY = 500
"""Number of subjects above which the points are rasterised, as the SVG would open slowly."""


def draw(results: Sequence[SystemResults], stem: str | Path, title: str) -> None:
    """Write the accuracy of every subject, by system, as ``stem``.svg and ``stem``.png.

    One row per system: a point per subject (the mean over seeds), a box from the lower to the
    upper quartile with the median, and the name of the subject with the lowest accuracy.

    Args:
        results: Results of the systems on one database, window and channel set.
        title: Database, window and channel set.

    Raises:
        InputError: No system was tested.
    """
    tested = [result for result in results if not result.counts.empty]
    if not tested:
        raise InputError(f"{title}: accuracy of no subject; train and score at least one system")
    with new_figure(stem, width=7, height=1.1 + 0.55 * len(tested)) as figure:
        panel = figure.subplots()
        panel.set_title(f"{title}: accuracy of each subject")
        for place, result in enumerate(tested):
            _row(panel, place, result)
        panel.set_yticks(
            range(len(tested)), [f"{one.system}\nn = {one.number('subject')}" for one in tested]
        )
        panel.set_ylim(len(tested) - 0.4, -0.6)
        panel.set_xlabel("accuracy (%)")
        panel.margins(x=0.08)
        tidy(panel, "x")


def _row(panel: Axes, place: int, result: SystemResults) -> None:
    accuracy = each(result.matrices("subject"))["accuracy"]
    names = sorted(result.counts.index.unique("subject"))  # the order of the matrices
    heights = place + np.random.default_rng(0).uniform(-0.24, 0.24, len(accuracy))
    sparse = min(1, 40 / len(accuracy))  # many points are fainter and smaller, as they overlap
    look = marker(place) | {"linestyle": "", "markeredgewidth": 0}
    look |= {"alpha": 0.25 + 0.6 * sparse, "markersize": 2.5 + 2.5 * sparse}
    panel.plot(accuracy, heights, rasterized=len(accuracy) > MANY, **look)
    if len(accuracy) >= FEW:
        line: Style = {"color": "black", "linewidth": 0.9}
        box: Style = {"positions": [place], "widths": 0.62, "orientation": "horizontal"}
        box |= {"boxprops": line, "whiskerprops": line, "medianprops": line | {"linewidth": 2}}
        panel.boxplot(accuracy, manage_ticks=False, showfliers=False, showcaps=False, **box)
    worst = int(accuracy.argmin())
    look = {"ha": "right", "va": "center", "fontsize": 6, "color": "0.3"}
    look |= {"xytext": (-5, 0), "textcoords": "offset points"}
    panel.annotate(names[worst], (accuracy[worst], heights[worst]), **look)
