"""Style shared by the figures: colours, markers that stay distinct in grey, and saving.

Functions that draw a figure take its ``stem``, the path of its SVG and its PNG without suffix.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xsleep.config.names import MEASURED
from xsleep.core.files import whole
from xsleep.results.table2 import PUBLISHED

Style = dict[str, Any]
"""Keyword arguments of Matplotlib."""

COLOURS = ("#000000", "#E69F00", "#0072B2", "#56B4E9", "#D55E00", "#CC79A7", "#009E73")
"""Palette of Okabe and Ito, safe for the colour-blind; neighbours differ clearly in lightness."""

SHAPES = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Markers, which distinguish systems where colour does not."""

STAGE_COLOURS = dict(W="#FEE838", REM="#BCAE6C", N1="#7D7C78", N2="#434E6C", N3="#00224E")
"""Colours of the stages from the top of a hypnogram down, light to dark: even steps of cividis, a
colour map made for the colour-blind."""

FONT: dict[Any, int] = {"font.size": 8, "axes.titlesize": 8, "legend.fontsize": 8}
FONT["text.parse_math"] = False
"""Settings of texts; dollar signs in names are no formulas."""

LABELS = {"accuracy": "accuracy (%)", "MF1": "MF1 (%)", "kappa": "Cohen's kappa"}
"""Axis label of each metric, in the order of the panels from left to right."""


def tidy(panel: Axes, grid: Literal["x", "y", "both"]) -> None:
    """Draw a faint grid behind the data and remove the frame."""
    panel.grid(axis=grid, color="0.9", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def marker(place: int, source: str = MEASURED) -> Style:
    """Return colour and marker, hollow unless measured, of the system at index ``place``."""
    look = {"color": COLOURS[place % len(COLOURS)], "marker": SHAPES[place % len(SHAPES)]}
    return look | ({} if source == MEASURED else {"markerfacecolor": "white"})


def sources_key(sources: Collection[str]) -> list[Line2D]:
    """Return the legend handles of filled and hollow markers, where drawn."""
    look: Style = {"linestyle": "", "marker": "h", "color": "0.45", "markersize": 5}
    faces = {MEASURED: "0.45", PUBLISHED: "white"}
    return [
        Line2D([], [], label=source, markerfacecolor=face, **look)
        for source, face in faces.items()
        if source in sources
    ]


@contextmanager
def new_figure(stem: str | Path, *, width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure, its size in inches, and `save` it when it is drawn."""
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        save(figure, stem)


def save(figure: Figure, stem: str | Path) -> None:
    """Write ``stem``.svg and ``stem``.png; equal figures give equal bytes."""
    # The solver of the layout differs in the last bit from one draw to another.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel in figure.axes:
        left, bottom, width, height = (round(side, 6) for side in panel.get_position().bounds)
        panel.set_position((left, bottom, width, height))
    for suffix, metadata in ((".svg", {"Date": None}), (".png", {})):
        with (
            matplotlib.rc_context({"svg.hashsalt": "xsleep"}),
            whole(Path(f"{stem}{suffix}")) as temporary,
        ):
            figure.savefig(
                temporary, format=suffix[1:], dpi=150, metadata=metadata, bbox_inches="tight"
            )
