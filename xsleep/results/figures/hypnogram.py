"""Hypnogram of a recording: true over predicted stages, and their probabilities below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from xsleep.core.arrays import Floats
from xsleep.core.errors import InputError
from xsleep.core.recording import DAY_SECONDS
from xsleep.core.stages import STAGES
from xsleep.results.figures import STAGE_COLOURS
from xsleep.results.figures.style import PAGE, Style, heading, new_figure, tidy
from xsleep.results.measurements import RunPredictions, SystemResults
from xsleep.results.metrics import confusion, decided, of_confusion, probabilities
from xsleep.store.predictions import Prediction, read_predictions
from xsleep.store.recordings import RecordingInfo

DEPTH = tuple(STAGE_COLOURS)
"""Stages from the top of a hypnogram down."""
PICKS = ("best", "median", "worst")
"""Names of recordings that are chosen by their accuracy."""
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)
"""Minutes between the ticks of the time axis, the first of which gives at most `MOST` ticks."""
MOST = 10


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
    """Write the hypnogram of a recording.

    From top to bottom: true stages; predicted stages, with marks below where they differ; and the
    stacked probabilities of the stages, from the branch that decides, where there are any. The axis
    is the clock time, where the start is known. Epochs without a stage are left blank, and REM has
    a thicker line.

    Args:
        stored: The recording in the store, with the onsets of its epochs.
        title: System and channel set; the recording, its accuracy and its kappa are added below.
    """
    predicted = decided(prediction)
    scores = of_confusion(confusion(prediction.stages, predicted))
    first, last = int(prediction.places[0]), int(prediction.places[-1])
    edges = stored.onsets[0] + stored.step * (np.arange(first, last + 2) - stored.places[0])

    def spread(values: Floats) -> Floats:
        """Put values (n, ...) of the scored epochs at their places, with NaN between them."""
        filled = np.full((last + 1 - first, *values.shape[1:]), np.nan)
        filled[prediction.places - first] = values
        return filled

    heights = (5, 6) if prediction.predicted is not None else (5, 6, 5)
    with new_figure(stem, width=PAGE, height=0.8 + 0.2 * sum(heights)) as figure:
        heading(
            figure,
            f"{title}\n{prediction.recording} (subject {prediction.subject}), "
            f"{len(prediction.stages)} epochs: "
            f"accuracy {scores['accuracy']:.1f} %, kappa {scores['kappa']:.3f}",
        )
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
        label_time([called, *stack][-1], edges, stored.start)


def draw_stages(panel: Axes, depth: Floats, edges: Floats, label: str) -> None:
    """Draw stages, by their indices (n,) in `DEPTH`, between the edges (n + 1,) of epochs."""
    panel.stairs(depth, edges, baseline=None, color="black", linewidth=0.9)
    rem = np.where(depth == DEPTH.index("REM"), depth, np.nan)
    panel.stairs(rem, edges, baseline=None, color=STAGE_COLOURS["REM"], linewidth=3)
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


def label_time(panel: Axes, edges: Floats, start: float | None) -> None:
    """Label the time axis, whose limits are the outer edges of epochs.

    With clock times, or with the time since the start of the recording where its clock time is
    unknown.

    Args:
        edges: (n + 1,) seconds since the start.
        start: Clock time of the start in seconds of the day, if known.
    """
    minutes = (edges[-1] - edges[0]) / 60
    step = 60 * next((tick for tick in TICKS if minutes / tick <= MOST), TICKS[-1])
    zero = start or 0.0
    times = step * np.arange(
        np.ceil((zero + edges[0]) / step - 1e-9), np.floor((zero + edges[-1]) / step + 1e-9) + 1
    )
    known = start is not None
    minute = np.rint(times / 60).astype(int) % (DAY_SECONDS // 60 if known else 10**9)
    form = "{:02d}:{:02d}" if known else "{}:{:02d}"
    panel.set_xticks(times - zero, [form.format(*divmod(m, 60)) for m in minute.tolist()])
    panel.set_xlim(edges[0], edges[-1])
    panel.set_xlabel("clock time" if known else "time since the recording began (h:mm)")
