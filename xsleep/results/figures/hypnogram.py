"""Hypnogram of a recording: true over predicted stages, and their probabilities below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xsleep.core.arrays import Floats, Integers
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results.figures.style import FONT, STAGE_COLOURS, save, tidy
from xsleep.results.measurements import RunPredictions, SystemResults
from xsleep.results.metrics import confusion, of_confusion, probabilities
from xsleep.store.predictions import Prediction, read_predictions
from xsleep.store.recordings import RecordingInfo

DEPTH = tuple(STAGE_COLOURS)
"""Stages from the top of a hypnogram down."""
PICKS = ("best", "median", "worst")
"""Names of recordings that are chosen by their accuracy."""
LONG = 2 * 3600
"""Duration in seconds from which the axis is in hours."""


def pick(
    runs: Sequence[RunPredictions], result: SystemResults, recording: str
) -> tuple[int, Prediction]:
    """Return the prediction of a recording, found by its name or chosen by its accuracy.

    Args:
        runs: the runs of one system on one channel set.
        result: their result.
        recording: its name, or one of ``PICKS``.

    Returns:
        The seed, the first one of several, and the prediction.

    Raises:
        InputError: the recording was not tested, or none was.
    """
    name = f"{'/'.join(result.case)}/{result.system}"
    if result.counts.empty:
        raise InputError(f"{name}: no night to draw: {'; '.join(result.gaps)}")
    seed = result.counts.index.unique("seed")[0]
    counts = result.counts.loc[seed]
    matrices = counts.to_numpy().reshape(-1, len(STAGES), len(STAGES))
    order = np.argsort(of_confusion(matrices)["accuracy"], kind="stable")
    recordings = counts.index.get_level_values("recording")
    if recording in PICKS:
        place = order[{"best": -1, "median": (len(order) - 1) // 2, "worst": 0}[recording]]
    elif recording in recordings:
        place = recordings.get_loc(recording)
    else:
        raise InputError(
            f"{name}: {recording} was not tested; name one of {', '.join(PICKS)}, "
            f"{', '.join(sorted(recordings)[:5])}, ..."
        )
    fold = counts.index.get_level_values("fold")[place]
    path = next(run.predictions for run in runs if (run.seed, run.fold) == (seed, fold))
    scored = (one for one in read_predictions(path) if one.recording == recordings[place])
    return seed, next(scored)


def draw(prediction: Prediction, stored: RecordingInfo, stem: str | Path, title: str) -> None:
    """Write the hypnogram of a recording as ``stem``.svg and ``stem``.png.

    From top to bottom: true stages; predicted stages, with marks below where they differ; and the
    stacked probabilities of the stages, from the branch that decides. The axis is the time since
    the recording began. Epochs without a stage are left blank, and REM has a thicker line.

    Args:
        prediction: of the recording.
        stored: the recording in the store, with the onsets of its epochs.
        stem: path of the files, without suffix.
        title: system and channel set; the recording, its accuracy and its kappa are added below.
    """
    chances = probabilities(prediction)
    predicted = chances.argmax(axis=1)
    scores = of_confusion(confusion(prediction.stages, predicted))
    first, last = int(prediction.places[0]), int(prediction.places[-1])
    edges = stored.onsets[0] + stored.step * (np.arange(first, last + 2) - stored.places[0])
    unit, seconds = ("hours", 3600) if edges[-1] - edges[0] >= LONG else ("minutes", 60)
    edges /= seconds

    def spread(values: Floats) -> Floats:
        """Put values (n, ...) of the scored epochs at their places, with NaN between them."""
        filled = np.full((last + 1 - first, *values.shape[1:]), np.nan)
        filled[prediction.places - first] = values
        return filled

    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(9, 4.6), layout="constrained")
        figure.suptitle(
            f"{title}\n{prediction.recording} (subject {prediction.subject}), "
            f"{len(prediction.stages)} epochs: "
            f"accuracy {scores['accuracy']:.1f} %, kappa {scores['kappa']:.3f}",
            fontsize=9,
        )
        true, called, stack = figure.subplots(3, 1, sharex=True, height_ratios=(5, 6, 5))
        draw_stages(true, spread(depth(prediction.stages)), edges, "true")
        draw_stages(called, spread(depth(predicted)), edges, "predicted")
        differs = spread((prediction.stages != predicted).astype(float))
        marks = np.where(differs == 1, len(DEPTH) + 0.35, np.nan)
        called.stairs(marks, edges, baseline=len(DEPTH) - 0.35, fill=True, color="black")
        called.set_yticks(range(len(DEPTH) + 1), [*DEPTH, "differs"])
        called.set_ylim(len(DEPTH) + 0.5, -0.4)
        draw_probabilities(stack, spread(chances), edges)
        stack.set_xlabel(f"{unit} since the recording began")
        stack.set_xlim(edges[0], edges[-1])
        save(figure, stem)


def depth(stages: Integers) -> Floats:
    """Return the positions (n,) of stages (n,) in a hypnogram, counted from 0 at the top."""
    return np.array([DEPTH.index(stage) for stage in STAGES], float).take(stages)


def draw_stages(panel: Axes, depths: Floats, edges: Floats, label: str) -> None:
    """Draw stages, by their depths (n,), between the edges (n + 1,) of the epochs."""
    panel.stairs(depths, edges, baseline=None, color="black", linewidth=0.9)
    rem = np.where(depths == DEPTH.index("REM"), depths, np.nan)
    panel.stairs(rem, edges, baseline=None, color="black", linewidth=3)
    panel.set_yticks(range(len(DEPTH)), DEPTH)
    panel.set_ylim(len(DEPTH) - 0.6, -0.4)
    panel.set_ylabel(label)
    tidy(panel, "both")


def draw_probabilities(panel: Axes, chances: Floats, edges: Floats) -> None:
    """Draw stacked probabilities (n, 5) between the edges (n + 1,) of the epochs."""
    below = np.zeros(len(chances))
    for stage in reversed(DEPTH):
        above = below + chances[:, STAGES.index(stage)]
        panel.stairs(
            above, edges, baseline=below, fill=True, color=STAGE_COLOURS[stage], label=stage
        )
        below = above
    panel.set_ylim(0, 1)
    panel.set_yticks([0, 0.5, 1])
    panel.set_ylabel("probability")
    panel.legend(
        reverse=True, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, handlelength=1
    )
    panel.spines[["top", "right"]].set_visible(False)
