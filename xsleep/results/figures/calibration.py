"""Whether epochs that a system is so sure of are as often right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xsleep.core.errors import InputError
from xsleep.results.figures.style import COLOURS, FONT, SHAPES, save, tidy
from xsleep.results.measurements import Cell, Outcome, gather
from xsleep.results.metrics import decided, probabilities
from xsleep.store.predictions import Prediction

BINS = 10
COLUMNS = 4


def binned(night: Prediction) -> np.ndarray:
    """Epochs of a night by their confidence, the probability of the stage that is decided for.

    Returns:
        (3, ``BINS``), in equal bins from 0 to 1: epochs, the sum of their confidence, and how many
        are right. They add up over nights.
    """
    chances = probabilities(night)
    confidence = chances.max(axis=1)
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    right = chances.argmax(axis=1) == night.stages
    return np.array([np.bincount(place, w, BINS) for w in (None, confidence, right)], float)


def tested(
    cells: Sequence[Cell], recordings: Mapping[str, Path]
) -> tuple[list[Outcome], dict[str, np.ndarray]]:
    """What `gather` makes of runs on one database, window and channel set, and the `binned` epochs.

    By system, over all seeds, of the recordings that are counted; the predictions are read once.
    """
    nights = {}

    def decide(cell: Cell, night: Prediction) -> np.ndarray:
        nights[cell.system, cell.seed, cell.fold, night.recording] = binned(night)
        return decided(night)

    outcomes = gather(cells, recordings, decide)
    return outcomes, {
        one.system: sum(
            (nights[one.system, seed, fold, name] for seed, fold, _, name in one.counts.index),
            np.zeros((3, BINS)),
        )
        for one in outcomes
    }


def expected_error(bins: np.ndarray) -> float:
    """Expected calibration error of `binned` epochs, in percent (Guo et al., 2017).

    The distance between mean confidence and accuracy, over the bins, weighted by their epochs.
    """
    epochs, confidence, right = bins
    return float(100 * np.abs(confidence - right).sum() / epochs.sum())


def draw(systems: Mapping[str, np.ndarray], stem: str | Path, title: str) -> None:
    """Write reliability diagrams as ``stem``.svg and ``stem``.png.

    For each system, above: accuracy over mean confidence, bin by bin, with the diagonal on which
    they are equal; below: how many of the epochs a bin has.

    Args:
        systems: the `binned` epochs of each.

    Raises:
        InputError: no epochs.
    """
    systems = {system: bins for system, bins in systems.items() if bins[0].any()}
    if not systems:
        raise InputError(f"{title}: no epochs to calibrate; train and score at least one system")
    rows = math.ceil(len(systems) / COLUMNS)
    columns = math.ceil(len(systems) / rows)
    most = max((bins[0] / bins[0].sum()).max() for bins in systems.values())
    with matplotlib.rc_context(FONT):
        size = (max(0.6 + 2.2 * columns, 4.2), 0.4 + 3.1 * rows)
        figure = Figure(figsize=size, layout="constrained")
        figure.suptitle(f"{title}: expected calibration error (ECE) by system", fontsize=9)
        panels = figure.subplots(
            2 * rows, columns, sharex=True, sharey="row", squeeze=False, height_ratios=(3, 1) * rows
        )
        for place in range(rows * columns):
            row, column = divmod(place, columns)
            above, below = panels[2 * row : 2 * row + 2, column]
            if place >= len(systems):
                above.set_axis_off()
                below.set_axis_off()
                continue
            system, bins = list(systems.items())[place]
            above.set_title(f"{system}: {expected_error(bins):.1f} %", fontweight="bold")
            _reliability(above, bins)
            _shares(below, bins)
            below.set_ylim(0, 1.05 * most)
            below.tick_params(labelbottom=True)
            below.set_xlabel("confidence")
            if column == 0:
                above.set_ylabel("share right")
                below.set_ylabel("epochs")
        save(figure, stem)


def _reliability(panel: Axes, bins: np.ndarray) -> None:
    epochs, confidence, right = bins[:, bins[0] > 0]
    panel.plot([0, 1], [0, 1], "--", color="0.5", linewidth=0.8)
    look = {"color": COLOURS[0], "marker": SHAPES[0], "markersize": 4, "linewidth": 1.2}
    panel.plot(confidence / epochs, right / epochs, **look)
    panel.set_xlim(0, 1)
    panel.set_ylim(-0.03, 1.03)
    panel.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    tidy(panel, "both")


def _shares(panel: Axes, bins: np.ndarray) -> None:
    edges = np.linspace(0, 1, BINS + 1)
    panel.stairs(bins[0] / bins[0].sum(), edges, fill=True, color="0.6")
    panel.yaxis.set_major_formatter("{x:.0%}")
    tidy(panel, "y")
