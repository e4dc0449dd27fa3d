"""Figure of the accuracy of each system over the subjects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from xsleep.core.errors import InputError
from xsleep.results.figures.style import (
    PAGE,
    SMALL,
    Style,
    heading,
    marker,
    new_figure,
    tidy,
    wrapped,
)
from xsleep.results.inference import each
from xsleep.results.measurements import SystemResults

FEW = 5
"""Smallest number of subjects for which a box is drawn."""
MANY = 500
"""Number of subjects above which points and lines are rasterised, as the SVG would open slowly."""


def draw(results: Sequence[SystemResults], stem: str | Path, title: str) -> None:
    """Write the accuracy of every subject, by system.

    One row per system: a point per subject (the mean over seeds), above them a box from the lower
    to the upper quartile with the median, and the name of the subject with the lowest accuracy.
    Lines join the points of a subject in adjacent rows.

    Args:
        results: Results of the systems on one database, window and channel set.
        title: Database, window and channel set.

    Raises:
        InputError: No system was tested.
    """
    tested = [result for result in results if not result.counts.empty]
    if not tested:
        raise InputError(f"{title}: accuracy of no subject; train and score at least one system")
    accuracy = pd.DataFrame({place: _accuracy(one) for place, one in enumerate(tested)})
    sparse = min(1, 40 / len(accuracy))  # many points are fainter and smaller, as they overlap
    many = len(accuracy) > MANY
    with new_figure(stem, width=PAGE, height=1.1 + 0.62 * len(tested)) as figure:
        heading(figure, f"Accuracy of each subject\n{title}")
        panel = figure.subplots()
        line: Style = {"color": "0.55", "linewidth": 0.6, "alpha": 0.2 + 0.5 * sparse, "zorder": 1}
        points = np.stack(np.broadcast_arrays(accuracy, np.arange(len(tested))), axis=-1)
        panel.add_collection(LineCollection(list(points), rasterized=many, **line), autolim=False)
        for place in range(len(tested)):
            look = marker(place) | {"linestyle": "", "markeredgewidth": 0}
            look |= {"alpha": 0.25 + 0.6 * sparse, "markersize": 2.5 + 2 * sparse}
            _row(panel, place, accuracy[place].dropna(), look | {"rasterized": many})
        panel.set_yticks(
            range(len(tested)),
            [f"{wrapped(one.system, 1.8)}\nn = {one.number('subject')}" for one in tested],
        )
        panel.set_ylim(len(tested) - 0.7, -0.6)
        panel.set_xlabel("accuracy (%)")
        panel.margins(x=0.08)
        tidy(panel, "x")


def _accuracy(result: SystemResults) -> pd.Series:
    names = sorted(result.counts.index.unique("subject"))  # the order of the matrices
    return pd.Series(each(result.matrices("subject"))["accuracy"], names)


def _row(panel: Axes, place: int, accuracy: pd.Series, look: Style) -> None:
    panel.plot(accuracy, np.full(len(accuracy), place), **look)
    if len(accuracy) >= FEW:
        line: Style = {"color": "black", "linewidth": 0.9}
        box: Style = {"positions": [place - 0.3], "widths": 0.26, "orientation": "horizontal"}
        box |= {"boxprops": line | {"facecolor": "white"}, "whiskerprops": line}
        box |= {"medianprops": line | {"linewidth": 2}, "patch_artist": True}
        panel.boxplot(accuracy, manage_ticks=False, showfliers=False, showcaps=False, **box)
    text: Style = {"ha": "right", "va": "center", "fontsize": SMALL, "color": "0.3"}
    text |= {"xytext": (-5, 0), "textcoords": "offset points"}
    panel.annotate(str(accuracy.idxmin()), (accuracy.min(), place), **text)
