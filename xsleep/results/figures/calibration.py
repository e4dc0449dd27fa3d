"""Reliability diagrams: accuracy of each system over its confidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from xsleep.core.arrays import Doubles, Integers
from xsleep.core.errors import InputError
from xsleep.results.figures.style import PAGE, heading, marker, new_figure, tidy, wrapped
from xsleep.results.measurements import RunPredictions, SystemResults, gather
from xsleep.results.metrics import decided, probabilities
from xsleep.store.predictions import Prediction

BINS = 10
COLUMNS = 4


def binned(prediction: Prediction) -> Doubles:
    """Return the epochs of a recording by confidence, the probability of the predicted stage.

    (3, ``BINS``), over equal bins from 0 to 1: the number of epochs, the sum of their confidence,
    and the number of correct epochs. These add up over recordings. All are 0 for a system that
    gives no probabilities.
    """
    if prediction.predicted is not None:
        return np.zeros((3, BINS))
    chances = probabilities(prediction)
    confidence = chances.max(axis=1)
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    right = chances.argmax(axis=1) == prediction.stages
    return np.array([np.bincount(place, w, BINS) for w in (None, confidence, right)], float)


def tested(
    runs: Sequence[RunPredictions], recordings: Mapping[str, Path]
) -> tuple[list[SystemResults], dict[str, Doubles]]:
    """Read the predictions of runs on one database, window and channel set, each file once.

    Returns:
        The results, as of `gather`; and the `binned` epochs (3, ``BINS``) of each system, summed
        over all seeds and the recordings that the results count.
    """
    bins = {}

    def decide(run: RunPredictions, prediction: Prediction) -> Integers:
        bins[run.system, run.seed, prediction.recording] = binned(prediction)
        return decided(prediction)

    results = gather(runs, recordings, decide)
    return results, {
        one.system: sum(
            (bins[one.system, seed, name] for seed, _, _, name in one.counts.index),
            np.zeros((3, BINS)),
        )
        for one in results
    }


def expected_error(bins: Doubles) -> float:
    """Return the expected calibration error of `binned` epochs, in percent (Guo et al., 2017).

    It is the mean distance between confidence and accuracy over the bins, weighted by epochs.
    """
    epochs, confidence, right = bins
    return float(100 * np.abs(confidence - right).sum() / epochs.sum())


def draw(systems: Mapping[str, Doubles], stem: str | Path, title: str) -> None:
    """Write reliability diagrams.

    Of each system, with its `binned` epochs (3, ``BINS``), the upper panel shows accuracy over mean
    confidence, bin by bin, with the diagonal of perfect calibration, and the lower panel the share
    of epochs in each bin. The title names database, window and channel set. Systems without
    probabilities are left out; where none has any, a line says so.

    Raises:
        InputError: There are no systems.
    """
    if not systems:
        raise InputError(f"{title}: no epochs to calibrate; train and score at least one system")
    systems = {system: bins for system, bins in systems.items() if bins[0].any()}
    if not systems:
        with new_figure(stem, width=0.6 * PAGE, height=0.8) as figure:
            heading(figure, f"No calibration, as no system gives probabilities\n{title}")
        return
    rows = math.ceil(len(systems) / COLUMNS)
    columns = math.ceil(len(systems) / rows)
    most = max((bins[0] / bins[0].sum()).max() for bins in systems.values())
    width = max(0.6 + (PAGE - 0.6) / COLUMNS * columns, PAGE / 2)
    with new_figure(stem, width=width, height=0.5 + 2.7 * rows) as figure:
        heading(figure, f"Calibration, and expected calibration error (ECE)\n{title}")
        panels = figure.subplots(
            2 * rows, columns, sharex=True, sharey="row", squeeze=False, height_ratios=(3, 1) * rows
        )
        for above, below, system in zip_longest(panels[::2].flat, panels[1::2].flat, systems):
            if system is None:
                above.set_axis_off()
                below.set_axis_off()
                continue
            bins = systems[system]
            name = wrapped(system, 1.5)
            above.set_title(f"{name}\nECE {expected_error(bins):.1f} %", fontweight="bold")
            _reliability(above, bins)
            below.stairs(
                bins[0] / bins[0].sum(), np.linspace(0, 1, BINS + 1), fill=True, color="0.6"
            )
            below.yaxis.set_major_formatter("{x:.0%}")
            tidy(below, "y")
            below.set_ylim(0, 1.05 * most)
            below.tick_params(labelbottom=True)
            below.set_xlabel("confidence")
            if above.get_subplotspec().is_first_col():
                above.set_ylabel("accuracy")
                below.set_ylabel("epochs")


def _reliability(panel: Axes, bins: Doubles) -> None:
    epochs, confidence, right = bins[:, bins[0] > 0]
    panel.plot([0, 1], [0, 1], "--", color="0.5", linewidth=0.8)
    panel.plot(confidence / epochs, right / epochs, **marker(0), markersize=4, linewidth=1.2)
    panel.set_xlim(0, 1)
    panel.set_ylim(-0.03, 1.03)
    panel.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    tidy(panel, "both")
