"""Hypnogram of a recording: true over predicted stages, and their probabilities below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from xsleep.core.arrays import Floats
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results.figures.style import STAGE_COLOURS, Style, new_figure, tidy
from xsleep.results.measurements import RunPredictions, SystemResults
from xsleep.results.metrics import confusion, decided, of_confusion, probabilities
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
    """Return the seed, the first one of several, and the prediction of a recording.

    Args:
        runs: Those of one system on one channel set, with their result.
        recording: Its name, or one of ``PICKS``.

    Raises:
        InputError: The recording was not tested, or none was.
    """
    which = f"{'/'.join(result.case)}/{result.system}"
    if result.counts.empty:
        raise InputError(f"{which}: no recording to draw: {'; '.join(result.gaps)}")
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
            f"{which}: {recording} was not tested; name one of {', '.join(PICKS)}, "
            f"{', '.join(sorted(recordings)[:5])}, ..."
        )
    fold, _, name = counts.index[place]
    path = next(run.predictions for run in runs if run.seed == seed and run.fold in (fold, 0))
    return seed, next(one for one in read_predictions(path) if one.recording == name)


def draw(prediction: Prediction, stored: RecordingInfo, stem: str | Path, title: str) -> None:
    """Write the hypnogram of a recording as ``stem``.svg and ``stem``.png.

    From top to bottom: true stages; predicted stages, with marks below where they differ; and the
    stacked probabilities of the stages, from the branch that decides, where there are any. The axis
    is the time since the recording began. Epochs without a stage are left blank, and REM has a
    thicker line.

    Args:
        stored: The recording in the store, with the onsets of its epochs.
        title: System and channel set; the recording, its accuracy and its kappa are added below.
    """
    predicted = decided(prediction)
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

    with new_figure(stem, width=9, height=4.6) as figure:
        figure.suptitle(
            f"{title}\n{prediction.recording} (subject {prediction.subject}), "
            f"{len(prediction.stages)} epochs: "
            f"accuracy {scores['accuracy']:.1f} %, kappa {scores['kappa']:.3f}",
            fontsize=9,
        )
        heights = (5, 6) if prediction.predicted is not None else (5, 6, 5)
        true, called, *stack = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        depth = np.array([DEPTH.index(stage) for stage in STAGES], float)
        draw_stages(true, spread(depth[prediction.stages]), edges, "true")
        draw_stages(called, spread(depth[predicted]), edges, "predicted")
        differs = spread((prediction.stages != predicted).astype(float))
        marks = np.where(differs == 1, len(DEPTH) + 0.35, np.nan)
        called.stairs(marks, edges, baseline=len(DEPTH) - 0.35, fill=True, color="black")
        called.set_yticks(range(len(DEPTH) + 1), [*DEPTH, "differs"])
        called.set_ylim(len(DEPTH) + 0.5, -0.4)
        for panel in stack:
            draw_probabilities(panel, spread(probabilities(prediction)), edges)
        lowest = [called, *stack][-1]
        lowest.set_xlabel(f"{unit} since the recording began")
        lowest.set_xlim(edges[0], edges[-1])


def draw_stages(panel: Axes, depth: Floats, edges: Floats, label: str) -> None:
    """Draw stages, by their indices (n,) in `DEPTH`, between the edges (n + 1,) of epochs."""
    panel.stairs(depth, edges, baseline=None, color="black", linewidth=0.9)
    rem = np.where(depth == DEPTH.index("REM"), depth, np.nan)
    panel.stairs(rem, edges, baseline=None, color="black", linewidth=3)
    panel.set_yticks(range(len(DEPTH)), DEPTH)
    panel.set_ylim(len(DEPTH) - 0.6, -0.4)
    panel.set_ylabel(label)
    tidy(panel, "both")


def draw_probabilities(panel: Axes, chances: Floats, edges: Floats) -> None:
    """Draw stacked probabilities (n, 5) between the edges (n + 1,) of epochs."""
    below = np.zeros(len(chances))
    for stage in reversed(DEPTH):
        above = below + chances[:, STAGES.index(stage)]
        look: Style = {"fill": True, "color": STAGE_COLOURS[stage], "label": stage}
        panel.stairs(above, edges, baseline=below, **look)
        below = above
    panel.set_ylim(0, 1)
    panel.set_yticks([0, 0.5, 1])
    panel.set_ylabel("probability")
    beside: Style = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}
    panel.legend(reverse=True, frameon=False, handlelength=1, **beside)
    panel.spines[["top", "right"]].set_visible(False)
