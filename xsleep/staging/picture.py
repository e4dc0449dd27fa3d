"""Picture of a scored recording: hypnogram, probabilities, spectrogram and confidence."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xsleep.core.arrays import Floats
from xsleep.core.recording import EPOCH_SECONDS
from xsleep.results.figures import hypnogram
from xsleep.results.figures.style import FONT, PAGE, Style, heading, tidy
from xsleep.staging.scored import LOW_CONFIDENCE, Scored

HERTZ = 30
"""Highest frequency of the spectrogram that is drawn."""


def draw(scored: Scored) -> Figure:
    """Return a figure with four panels over the clock time, or over the time since the start.

    From top to bottom: hypnogram, with bad epochs hatched; stacked probabilities of the stages;
    spectrogram of the first channel in decibels; probability of the most probable stage.
    """
    edges = np.append(scored.onsets, scored.onsets[-1] + EPOCH_SECONDS)
    start = scored.start
    clock = 3600.0 * start.hour + 60 * start.minute + start.second if start else None
    channels = ", ".join(f"{name}: {taken.label}" for name, taken in scored.channels.items())
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(PAGE, 5.6), layout="constrained")
        name = Path(scored.name).name
        heading(figure, f"{name}, scored by {scored.network['name']}\n{channels}")
        stages, stack, image, sure = figure.subplots(4, 1, sharex=True, height_ratios=(5, 4, 4, 3))
        hypnogram.draw_stages(stages, _depth(scored), edges, "stage")
        _mark_bad(stages, scored, edges)
        hypnogram.draw_probabilities(stack, scored.probabilities, edges)
        _spectrogram(figure, image, scored, edges)
        sure.stairs(scored.confidence, edges, baseline=None, color="black", linewidth=0.9)
        sure.axhline(LOW_CONFIDENCE, color="0.6", linewidth=0.8, linestyle="--")
        sure.set_ylim(0, 1)
        sure.set_yticks([0, 0.5, 1])
        sure.set_ylabel("confidence")
        tidy(sure, "both")
        hypnogram.label_time(sure, edges, clock)
    return figure


def _depth(scored: Scored) -> Floats:
    depth = [np.nan if n is None else hypnogram.DEPTH.index(n) for n in scored.names]
    return np.array(depth, float)


def _mark_bad(panel: Axes, scored: Scored, edges: Floats) -> None:
    low, high = panel.get_ylim()
    marks = np.where(scored.bad, high, np.nan)
    look: Style = {"fill": True, "facecolor": "0.9", "edgecolor": "0.5", "hatch": "////"}
    panel.stairs(marks, edges, baseline=low, linewidth=0, **look)
    if scored.bad.any():
        panel.set_title("hatched: bad signals, not staged", loc="right")


def _spectrogram(figure: Figure, panel: Axes, scored: Scored, edges: Floats) -> None:
    shown = np.where(scored.bad[:, None], np.nan, scored.spectrum)[:, : 1 + round(HERTZ / 50 * 128)]
    low, high = np.nanpercentile(shown, (2, 98))
    frequencies = np.linspace(0, HERTZ, shown.shape[1] + 1)
    mesh = panel.pcolormesh(
        edges, frequencies, shown.T, cmap="viridis", vmin=low, vmax=high, rasterized=True
    )
    panel.set_ylabel(f"{next(iter(scored.channels))} (Hz)")
    beside = panel.inset_axes((1.015, 0, 0.015, 1))  # in the room of the legend above
    figure.colorbar(mesh, cax=beside, label="dB")
