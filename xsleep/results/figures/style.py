"""What the figures share: colours and shapes that hold without colour, and how they are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xsleep.core.files import whole

COLOURS = ("#000000", "#E69F00", "#0072B2", "#56B4E9", "#D55E00", "#CC79A7", "#009E73")
"""Okabe and Ito's colours for all kinds of colour vision, neighbours far apart in lightness."""

SHAPES = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Markers: what tells apart where colour does not."""

STAGE_COLOURS = {
    "W": "#FEE838",
    "REM": "#BCAE6C",
    "N1": "#7D7C78",
    "N2": "#434E6C",
    "N3": "#00224E",
}
"""Down a hypnogram, from light to dark in even steps of the colour map cividis, which looks the
same to the colour-blind."""

FONT = {"font.size": 8, "axes.titlesize": 8, "legend.fontsize": 8}

LABELS = {"accuracy": "accuracy (%)", "MF1": "MF1 (%)", "kappa": "Cohen's kappa"}
"""Of the axes of the metrics, which stand beside each other in this order."""


def tidy(panel: Axes, grid: Literal["x", "y", "both"]) -> None:
    """A faint grid behind what is drawn, and no frame."""
    panel.grid(axis=grid, color="0.9", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def marker(place: int) -> dict:
    """Colour and shape of the system at this place among those that are drawn."""
    return {"color": COLOURS[place % len(COLOURS)], "marker": SHAPES[place % len(SHAPES)]}


def save(figure: Figure, stem: str | Path) -> None:
    """Write ``stem``.svg and ``stem``.png; the same figure gives the same bytes."""
    for suffix, metadata in ((".svg", {"Date": None}), (".png", {})):
        with (
            matplotlib.rc_context({"svg.hashsalt": "xsleep"}),
            whole(Path(f"{stem}{suffix}")) as temporary,
        ):
            figure.savefig(
                temporary, format=suffix[1:], dpi=150, metadata=metadata, bbox_inches="tight"
            )
